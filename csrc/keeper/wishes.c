#include "keeper/wishes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/topic.h"
#include "core/wire.h"
#include "keeper/inside.h"
#include "keeper/outbox.h"
#include "keeper/tell.h"

enum {
  REQUESTS_AT_ONCE = 64,
  PROBE_TICKET = 0, /* the subscriptions number theirs from 1 */
  PROBE_AT_LEAST = 2000,
  ASK_AGAIN = 20, /* ms until a link that would not take a request is asked again, unless an outcome comes first */
};

enum { /* SUBACK reason codes for what CONNACK has ruled out already, MQTT 5 section 3.9.3 */
       SHARED_NOT_SUPPORTED = 0x9E,
       WILDCARD_NOT_SUPPORTED = 0xA2,
       PACKET_TOO_LARGE = 0x95, /* no code of SUBACK, but what the broker would end the connection with */
};

typedef struct teller {
  hf_client *client;
  const char *text;
} teller;

static void tell_verdict(void *context, hf_subscription_verdict verdict) {
  const teller *from = context;
  hf_event *event = (hf_event *)verdict.answer;
  if (event)
    hf_tell_fill(from->client, event, HF_EVENT_GRANTED);
  else
    event = hf_tell_make(from->client, HF_EVENT_GRANTED_AGAIN);
  if (!event) return;
  event->wish = verdict.wish;
  event->code = verdict.code;
  if (verdict.code > 2) {
    event->reason = hf_reason_find(HF_SOURCE_SUBACK, verdict.code);
    event->text = from->text ? strdup(from->text) : NULL;
  }
  hf_tell_send(from->client, event);
}

static void tell_verdicts(hf_client *client, uint32_t ticket, int code, const char *text) {
  teller from = {client, text};
  hf_subscriptions_answer(client->subscriptions, ticket, code, tell_verdict, &from);
}

static int ruled_out(const hf_client *client, const hf_subscription_request *request) {
  if (request->guilty) return request->guilty;
  if (!client->limits.shared_available && hf_topic_is_shared(request->filter)) return SHARED_NOT_SUPPORTED;
  if (!client->limits.wildcard_available && hf_topic_has_wildcard(request->filter)) return WILDCARD_NOT_SUPPORTED;
  uint32_t largest = client->limits.maximum_packet_size;
  if (largest > 0 && hf_wire_subscribe_size(request) > largest) return PACKET_TOO_LARGE;
  return 0;
}

static void tell_ready(hf_client *client) {
  client->ready = true;
  hf_outbox_ready(client);
  bool told = client->renewing;
  client->renewing = false;
  if (told) return;
  hf_event *event = hf_tell_make(client, HF_EVENT_READY);
  if (!event) return;
  event->subscriptions = hf_subscriptions_confirmed(client->subscriptions);
  event->refused = hf_subscriptions_refused(client->subscriptions);
  event->downtime = client->keeper->now - client->engine.down_since;
  hf_tell_send(client, event);
}

static void await_answer(hf_client *client) {
  int64_t time = client->options->engine.connect_timeout;
  hf_patience_begin(client, &client->subscribe, HF_DUE_SUBSCRIBE, time, HF_PATIENCE_TIMES * time);
}

/* It is the oldest request that is waited for. Each answer to it is a sign of life that gives the next one as much
 * time; answers to others are none, or who goes on subscribing would wait for ever. A link that takes none is given as
 * much. */
static void expect(hf_client *client) {
  hf_subscription_request oldest = {.ticket = client->awaited};
  if (client->due[HF_DUE_ASK] != HF_NEVER && client->due[HF_DUE_SUBSCRIBE] == HF_NEVER) {
    await_answer(client);
  } else if (client->requests == 0 && client->due[HF_DUE_ASK] == HF_NEVER) {
    client->due[HF_DUE_SUBSCRIBE] = HF_NEVER;
  } else if (hf_subscriptions_unanswered(client->subscriptions, &oldest) > 0 && oldest.ticket != client->awaited) {
    client->awaited = oldest.ticket;
    await_answer(client);
  }
}

void hf_wishes_pump(hf_client *client) {
  const hf_link_operations *operations = client->operations;
  hf_subscription_request request;
  client->due[HF_DUE_ASK] = HF_NEVER;
  while (client->requests < REQUESTS_AT_ONCE && hf_subscriptions_next(client->subscriptions, &request)) {
    if (!client->limits.identifiers_available || client->protocol < 5) request.options.identifier = 0;
    int code = request.subscribe ? ruled_out(client, &request) : 0;
    if (code) {
      tell_verdicts(client, request.ticket, code, NULL);
      continue;
    }
    client->requests++; /* first: a link may answer before it returns */
    if (request.subscribe ? operations->subscribe(client->link, &request)
                          : operations->unsubscribe(client->link, &request))
      continue;
    client->requests--;
    hf_subscriptions_put_back(client->subscriptions, request.ticket);
    client->due[HF_DUE_ASK] = client->keeper->now + ASK_AGAIN;
    break;
  }
  expect(client);
  if (!client->ready && hf_subscriptions_settled(client->subscriptions)) tell_ready(client);
}

void hf_wishes_answer(hf_client *client, const hf_link_answer *answer) {
  if (answer->ticket == PROBE_TICKET) {
    client->due[HF_DUE_PROBE] = HF_NEVER;
    return;
  }
  if (answer->code == HF_LINK_RESULT_LOST) return;
  tell_verdicts(client, answer->ticket, answer->code, answer->text);
  client->requests--;
}

bool hf_wishes_blame(hf_client *client, const hf_link_down *down) {
  static const uint8_t about_a_filter[] = {0x81, 0x82, 0x8F, 0x9E, 0xA1, 0xA2};
  if (down->reason->source != HF_SOURCE_DISCONNECT) return false;
  for (size_t i = 0; i < sizeof about_a_filter; i++)
    if (down->code == about_a_filter[i]) return hf_subscriptions_blame(client->subscriptions, down->code);
  return false;
}

/* So much of a filter is shown. */
enum { FILTER_SHOWN = 200 };

/* One line, and no part of a character of several bytes. */
static void show_filter(char shown[FILTER_SHOWN + 4], hf_bytes filter) {
  size_t length = filter.length;
  if (length > FILTER_SHOWN)
    for (length = FILTER_SHOWN; length > 0 && ((unsigned char)filter.data[length] & 0xC0) == 0x80; length--)
      ;
  memcpy(shown, filter.data, length);
  strcpy(shown + length, length < filter.length ? "..." : "");
  hf_utf8_to_line(shown);
}

char *hf_wishes_unanswered(const hf_client *client, const char *why) {
  hf_subscription_request oldest;
  size_t count = client->connected ? hf_subscriptions_unanswered(client->subscriptions, &oldest) : 0;
  if (count == 0) return NULL;
  char filter[FILTER_SHOWN + 4], more[40] = "";
  show_filter(filter, oldest.filter);
  if (count > 1) snprintf(more, sizeof more, " and %zu more", count - 1);
  static const char form[] = "%s; unanswered: %s of %s%s";
  const char *kind = oldest.subscribe ? "SUBSCRIBE" : "UNSUBSCRIBE";
  size_t room = sizeof form + strlen(why) + strlen(kind) + strlen(filter) + strlen(more);
  char *text = malloc(room);
  if (text) snprintf(text, room, form, why, kind, filter, more);
  return text;
}

/* With all that passes meanwhile it has as long as a link's own question: ten times what a silent broker has. */
void hf_wishes_probe(hf_client *client) {
  int64_t time = (int64_t)client->limits.keep_alive * 500;
  if (time < PROBE_AT_LEAST) time = PROBE_AT_LEAST;
  if (time > client->options->engine.connect_timeout) time = client->options->engine.connect_timeout;
  int64_t silence = (int64_t)client->limits.keep_alive * 1500;
  int64_t most = HF_PATIENCE_TIMES * (silence > time ? silence : time);
  if (client->operations->probe(client->link, PROBE_TICKET))
    hf_patience_begin(client, &client->probe, HF_DUE_PROBE, time, most);
  else
    client->due[HF_DUE_PROBE_AGAIN] = client->keeper->now + ASK_AGAIN;
}
