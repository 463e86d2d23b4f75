#include "link/paho_link.h"

#include <stdlib.h>
#include <string.h>

#include "core/message.h"

/* Everything here runs on one of Paho's threads, under Paho's global lock: copy, deliver, return. */

/* Paho looks for pings that are due once a second or so, and gives a broker 1.5 keep alives to answer one: pinging a
 * second early keeps us within the broker's 1.5 keep alives and finds a dead link within 2.5. A second
 * MQTTAsync_connect on a connected handle sets the interval and is otherwise dropped; should the connection end before
 * it is dropped, it goes to a port where nobody is, and nothing is told. With a shared key it is left alone: the call
 * frees what OpenSSL would ask for the key in a renegotiation. */
static void tune(hf_paho_attempt *attempt, uint16_t keep_alive) {
  int interval = keep_alive > 1 ? keep_alive - 1 : keep_alive;
  if (interval == attempt->keep_alive || attempt->psk) return;
  static char nowhere[] = "tcp://127.0.0.1:0", nowhere_tls[] = "ssl://127.0.0.1:0";
  char *uri[] = {attempt->tls ? nowhere_tls : nowhere};
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
  MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
  options.serverURIcount = 1;
  options.serverURIs = uri;
  options.keepAliveInterval = interval;
  options.cleansession = attempt->protocol < 5 && !attempt->keeps_session;
  options.MQTTVersion = attempt->protocol;
  options.connectTimeout = 1;
  if (attempt->tls) options.ssl = &tls;
  MQTTAsync_connect(attempt->handle, &options);
  hf_paho_waker_retune();
}

static uint32_t number(MQTTProperties *properties, enum MQTTPropertyCodes code, uint32_t otherwise) {
  const MQTTProperty *property = properties ? MQTTProperties_getProperty(properties, code) : NULL;
  if (!property) return otherwise;
  switch (MQTTProperty_getType(code)) {
  case MQTTPROPERTY_TYPE_BYTE:
    return property->value.byte;
  case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
    return property->value.integer2;
  default:
    return property->value.integer4;
  }
}

static hf_link_connected *connack(const hf_paho_attempt *attempt, bool session_present, MQTTProperties *properties) {
  hf_link_connected *mail = calloc(1, sizeof *mail);
  if (!mail) return NULL;
  mail->mail =
      (hf_mail){.owner = attempt->link->sink.owner, .generation = attempt->generation, .kind = HF_LINK_CONNECTED};
  mail->session_present = session_present;
  mail->retain_available = number(properties, MQTTPROPERTY_CODE_RETAIN_AVAILABLE, 1) != 0;
  mail->wildcard_available = number(properties, MQTTPROPERTY_CODE_WILDCARD_SUBSCRIPTION_AVAILABLE, 1) != 0;
  mail->shared_available = number(properties, MQTTPROPERTY_CODE_SHARED_SUBSCRIPTION_AVAILABLE, 1) != 0;
  mail->identifiers_available =
      number(properties, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIERS_AVAILABLE, attempt->protocol == 5) != 0;
  mail->maximum_qos = (uint8_t)number(properties, MQTTPROPERTY_CODE_MAXIMUM_QOS, 2);
  mail->receive_maximum = (uint16_t)number(properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 65535);
  mail->keep_alive = (uint16_t)number(properties, MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, attempt->keep_alive);
  mail->session_expiry = number(properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, attempt->session_expiry);
  mail->maximum_packet_size = number(properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 0);
  if (!properties) return mail;
  const MQTTProperty *assigned = MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_ASSIGNED_CLIENT_IDENTIFER);
  if (assigned) mail->assigned_client_id = strndup(assigned->value.data.data, (size_t)assigned->value.data.len);
  const MQTTProperty *answers = MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_RESPONSE_INFORMATION);
  if (answers) mail->response_information = strndup(answers->value.data.data, (size_t)answers->value.data.len);
  hf_paho_reading reading;
  mail->properties = hf_properties_copy(hf_paho_properties_read(&reading, properties));
  hf_paho_reading_free(&reading);
  return mail;
}

/* Lock held. What a session of the broker's no longer knows is given back. */
static hf_publish *settle_session(hf_paho_attempt *attempt, bool session_present, uint16_t receive_maximum) {
  hf_link *link = attempt->link;
  hf_publish *lost = NULL;
  if (!session_present) {
    lost = link->carried;
    link->carried = NULL;
    attempt->withheld = 0;
  }
  size_t carried = 0, unreleased = 0;
  for (hf_mail *at = link->carried ? &link->carried->mail : NULL; at; at = at->next) {
    if (hf_paho_store_withholds(&link->store, ((hf_publish *)at)->packet_id)) continue;
    carried += hf_publish_packet_size((const hf_publish *)at);
    unreleased += !hf_paho_store_has_released(&link->store, ((hf_publish *)at)->packet_id);
    attempt->resumed++;
  }
  attempt->overrun = unreleased > receive_maximum;
  hf_paho_weigh(attempt, carried, 0);
  hf_paho_quiet_count(attempt->resumed, 0);
  return lost;
}

static void connected(hf_paho_attempt *attempt, bool session_present, MQTTProperties *properties) {
  hf_link *link = attempt->link;
  hf_link_connected *mail = connack(attempt, session_present, properties);
  char *assigned = mail && mail->assigned_client_id ? strdup(mail->assigned_client_id) : NULL;
  hf_publish *lost = NULL;
  pthread_mutex_lock(&link->lock);
  bool wanted = mail && attempt->state == HF_PAHO_CONNECTING;
  if (wanted) hf_paho_sockets_keep(attempt);
  if (attempt->waiting) hf_paho_waker_release();
  attempt->waiting = false;
  hf_paho_loud_again(attempt);
  if (wanted) {
    attempt->state = HF_PAHO_UP;
    attempt->was_up = true;
    if (mail->receive_maximum > 0) link->receive_maximum = mail->receive_maximum;
    attempt->hurried = mail->keep_alive == 1;
    if (attempt->hurried) hf_paho_waker_hurry();
    lost = settle_session(attempt, session_present, mail->receive_maximum);
    if (assigned && link->client_id && *link->client_id == '\0') {
      free(link->client_id);
      link->client_id = assigned;
      assigned = NULL;
    }
  }
  pthread_mutex_unlock(&link->lock);
  free(assigned);
  if (!wanted) {
    if (mail) hf_link_mail_free(&mail->mail);
    return;
  }
  hf_paho_sockets_claim(attempt);
  tune(attempt, mail->keep_alive);
  hf_paho_return(attempt, lost);
  link->sink.deliver(link->sink.context, &mail->mail);
}

static void on_connected(void *context, MQTTAsync_successData *data) {
  connected(context, data->alt.connect.sessionPresent != 0, NULL);
}

static void on_connected5(void *context, MQTTAsync_successData5 *data) {
  connected(context, data->alt.connect.sessionPresent != 0, &data->properties);
}

static void on_failed(void *context, MQTTAsync_failureData *data) {
  hf_paho_end(context, hf_paho_failure(context, data->code, data->message));
}

/* A refused CONNACK's code is in `code` up to Paho 1.3.14, in `reasonCode` from 1.3.15 on. */
static void on_failed5(void *context, MQTTAsync_failureData5 *data) {
  bool newer = data->code <= 0 && data->reasonCode > 0;
  hf_paho_end(context, hf_paho_failure(context, newer ? (int)data->reasonCode : data->code, data->message));
}

static void on_lost(void *context, char *cause) {
  (void)cause;
  hf_paho_end(context, (hf_paho_ending){.kind = HF_LINK_DOWN,
                                        .source = HF_SOURCE_NETWORK,
                                        .code = HF_NETWORK_CONNECTION_LOST,
                                        .phase = HF_PHASE_UP});
}

static void on_disconnected(void *context, MQTTProperties *properties, enum MQTTReasonCodes code) {
  hf_paho_reading reading;
  const hf_properties *plain = hf_paho_properties_read(&reading, properties);
  hf_paho_end(context, (hf_paho_ending){.kind = HF_LINK_DOWN,
                                        .source = HF_SOURCE_DISCONNECT,
                                        .code = (int)code,
                                        .phase = HF_PHASE_UP,
                                        .reason_string = plain ? plain->reason_string : (hf_bytes){NULL, 0},
                                        .server_reference = plain ? plain->server_reference : (hf_bytes){NULL, 0}});
  hf_paho_reading_free(&reading);
}

static hf_message *read_message(hf_bytes topic, const MQTTAsync_message *from) {
  hf_paho_reading reading;
  const hf_properties *properties = hf_paho_properties_read(&reading, &from->properties);
  hf_bytes payload = {from->payload, (size_t)from->payloadlen};
  hf_message *message = reading.starved ? NULL : hf_message_new(topic, payload, properties);
  hf_paho_reading_free(&reading);
  return message;
}

enum { TRIES = 3 };

/* Delivered whatever the state: Paho acknowledges it as soon as this returns, taken or not. One that is not taken stays
 * in its queue, of which it tells one message at once and then one with each packet that comes: better not to need
 * that. */
static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *from) {
  hf_paho_attempt *attempt = context;
  hf_link_sink *sink = &attempt->link->sink;
  hf_message *message = NULL;
  for (int tries = 0; tries < TRIES && !message; tries++)
    message = read_message((hf_bytes){topic, topic_length > 0 ? (size_t)topic_length : strlen(topic)}, from);
  if (!message) return 0;
  message->mail = (hf_mail){.owner = sink->owner, .generation = attempt->generation, .kind = HF_LINK_MESSAGE};
  message->qos = (uint8_t)from->qos;
  message->retain = from->retained != 0;
  message->duplicate = from->dup != 0;
  MQTTAsync_freeMessage(&from);
  MQTTAsync_free(topic);
  sink->deliver(sink->context, &message->mail);
  return 1;
}

static void on_delivered(void *context, MQTTAsync_token packet_id) {
  hf_paho_delivered(context, packet_id);
}

bool hf_paho_callbacks_set(hf_paho_attempt *attempt) {
  return MQTTAsync_setCallbacks(attempt->handle, attempt, on_lost, on_message, on_delivered) == MQTTASYNC_SUCCESS &&
         MQTTAsync_setDisconnected(attempt->handle, attempt, on_disconnected) == MQTTASYNC_SUCCESS;
}

void hf_paho_callbacks_connect(hf_paho_attempt *attempt, MQTTAsync_connectOptions *options) {
  options->context = attempt;
  if (attempt->protocol == 5) {
    options->onSuccess5 = on_connected5;
    options->onFailure5 = on_failed5;
  } else {
    options->onSuccess = on_connected;
    options->onFailure = on_failed;
  }
}

static void left(hf_paho_attempt *attempt) {
  hf_paho_end(attempt,
              (hf_paho_ending){
                  .kind = HF_LINK_CLOSED, .source = HF_SOURCE_CLIENT, .code = HF_CLIENT_CLOSED, .phase = HF_PHASE_UP});
}

static void on_left(void *context, MQTTAsync_successData *data) {
  (void)data;
  left(context);
}

static void on_left5(void *context, MQTTAsync_successData5 *data) {
  (void)data;
  left(context);
}

void hf_paho_callbacks_disconnect(hf_paho_attempt *attempt, MQTTAsync_disconnectOptions *options) {
  options->context = attempt;
  if (attempt->protocol == 5)
    options->onSuccess5 = on_left5;
  else
    options->onSuccess = on_left;
}
