#include "link/paho_link.h"

#include <stdlib.h>
#include <string.h>

/* SUBSCRIBE and UNSUBSCRIBE. One that is still unanswered when the connection ends is never answered: its generation is
 * over, and the keeper asks again after the next CONNACK. */

static const char *const probe_filter = "holdfast/probe";

static hf_paho_request *begin(hf_paho_attempt *attempt, uint32_t ticket, uint16_t kind) {
  hf_paho_request *request = calloc(1, sizeof *request);
  if (!request) return NULL;
  request->attempt = attempt;
  request->ticket = ticket;
  request->kind = kind;
  pthread_mutex_lock(&attempt->link->lock);
  request->next = attempt->requests;
  request->previous = &attempt->requests;
  if (request->next) request->next->previous = &request->next;
  attempt->requests = request;
  pthread_mutex_unlock(&attempt->link->lock);
  return request;
}

static void end(hf_paho_request *request) {
  hf_paho_attempt *attempt = request->attempt;
  pthread_mutex_lock(&attempt->link->lock);
  *request->previous = request->next;
  if (request->next) request->next->previous = request->previous;
  pthread_mutex_unlock(&attempt->link->lock);
  free(request);
}

void hf_paho_requests_free(hf_paho_attempt *attempt) {
  while (attempt->requests)
    end(attempt->requests);
}

static void answer(hf_paho_request *request, int code, MQTTProperties *properties) {
  hf_paho_attempt *attempt = request->attempt;
  hf_link_sink *sink = &attempt->link->sink;
  uint32_t ticket = request->ticket;
  uint16_t kind = request->kind;
  end(request);
  hf_link_answer *mail = calloc(1, sizeof *mail);
  if (!mail) return; /* as if the broker had not answered */
  mail->mail = (hf_mail){.owner = sink->owner, .generation = attempt->generation, .kind = kind};
  mail->ticket = ticket;
  mail->code = code;
  MQTTProperty *reason = properties ? MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_REASON_STRING) : NULL;
  if (reason) mail->text = hf_paho_text(reason->value.data.data, (size_t)reason->value.data.len);
  sink->deliver(sink->context, &mail->mail);
}

/* Where a SUBACK has more codes than the one filter that was asked for, and where an answer of another kind comes under
 * this packet id, there is a pointer in place of the code. */
static void granted(void *context, MQTTAsync_successData *data) {
  enum { ANY_CODE = 0xFF }; /* that SUBACK does not have */
  hf_paho_request *request = context;
  int code = request->kind == HF_LINK_SUBSCRIBED ? data->alt.qos : 0;
  answer(request, code >= 0 && code <= ANY_CODE ? code : ANY_CODE, NULL);
}

/* A code of Paho's own is negative: the connection has ended, and the request with it. */
static void refused(void *context, MQTTAsync_failureData *data) {
  if (data->code > 0)
    answer(context, data->code, NULL);
  else
    end(context);
}

static void granted5(void *context, MQTTAsync_successData5 *data) {
  answer(context, (int)data->reasonCode, &data->properties);
}

static void refused5(void *context, MQTTAsync_failureData5 *data) {
  if (data->code == 0 && (int)data->reasonCode >= 0x80)
    answer(context, (int)data->reasonCode, &data->properties);
  else
    end(context);
}

static bool is_up(hf_paho_attempt *attempt) {
  if (!attempt) return false;
  pthread_mutex_lock(&attempt->link->lock);
  bool up = attempt->state == HF_PAHO_UP;
  pthread_mutex_unlock(&attempt->link->lock);
  return up;
}

static bool ask(hf_link *link, const char *filter, uint32_t ticket, const hf_subscription_request *subscribe,
                const hf_properties *properties) {
  hf_paho_attempt *attempt = link->attempt;
  if (!is_up(attempt)) return false;
  hf_paho_request *request = begin(attempt, ticket, subscribe ? HF_LINK_SUBSCRIBED : HF_LINK_UNSUBSCRIBED);
  if (!request) return false;
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  options.context = request;
  bool made = true;
  if (attempt->protocol == 5) {
    options.onSuccess5 = granted5;
    options.onFailure5 = refused5;
    made = hf_paho_properties_user(&options.properties, properties);
    if (subscribe) {
      const hf_wish_options *wish = &subscribe->options;
      options.subscribeOptions.noLocal = wish->no_local;
      options.subscribeOptions.retainAsPublished = wish->retain_as_published;
      options.subscribeOptions.retainHandling = wish->retain_handling;
      if (wish->identifier)
        made = made && hf_paho_properties_number(&options.properties, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER,
                                                 wish->identifier);
    }
  } else {
    options.onSuccess = granted;
    options.onFailure = refused;
  }
  int failed = MQTTASYNC_FAILURE;
  hf_paho_calls_begin();
  if (made && subscribe)
    failed = MQTTAsync_subscribe(attempt->handle, filter, subscribe->options.qos, &options);
  else if (made)
    failed = MQTTAsync_unsubscribe(attempt->handle, filter, &options);
  hf_paho_calls_end();
  MQTTProperties_free(&options.properties);
  if (failed) end(request);
  return !failed;
}

static bool ask_for(hf_link *link, const hf_subscription_request *request, bool subscribe) {
  char *filter = strndup(request->filter.data, request->filter.length);
  bool asked = filter && ask(link, filter, request->ticket, subscribe ? request : NULL, request->properties);
  free(filter);
  return asked;
}

bool hf_paho_subscribe(hf_link *link, const hf_subscription_request *request) {
  return ask_for(link, request, true);
}

bool hf_paho_unsubscribe(hf_link *link, const hf_subscription_request *request) {
  return ask_for(link, request, false);
}

/* The broker answers an UNSUBSCRIBE whether or not there is such a subscription, in both versions of the protocol. */
bool hf_paho_probe(hf_link *link, uint32_t ticket) {
  return ask(link, probe_filter, ticket, NULL, NULL);
}
