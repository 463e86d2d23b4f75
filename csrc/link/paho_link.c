#include "link/paho_link.h"

#include <stdlib.h>
#include <string.h>

#include "sys/clock.h"

static bool link_begin(hf_loop *loop) {
  (void)loop;
  return hf_paho_waker_start();
}

/* The waker and Paho's threads stay: stopping them takes Paho up to a second, and the process is about to end. */
static void link_end(void) {}

static hf_link *link_create(hf_link_sink sink) {
  hf_link *link = calloc(1, sizeof *link);
  if (!link) return NULL;
  link->sink = sink;
  link->receive_maximum = UINT16_MAX;
  pthread_mutex_init(&link->lock, NULL);
  hf_paho_store_init(&link->store);
  return link;
}

/* What cannot be restored for want of memory is sent anew. */
static void link_resume(hf_link *link, hf_store *store, const char *client_id, hf_publish *publishes) {
  hf_paho_attempt none = {.link = link};
  hf_publish *lost = NULL;
  link->store.disk = store;
  link->protocol = hf_store_protocol(store);
  if (link->protocol) link->client_id = strdup(client_id);
  while (publishes) {
    hf_publish *publish = publishes;
    publishes = (hf_publish *)publish->mail.next;
    if (link->client_id && hf_paho_store_restore_sent(&link->store, publish, link->protocol)) {
      hf_paho_carry(link, publish);
    } else {
      publish->mail.next = lost ? &lost->mail : NULL;
      lost = publish;
    }
  }
  if (link->protocol) hf_paho_store_restore_received(&link->store, link->protocol);
  hf_paho_return(&none, lost);
}

static void expired(void *context) {
  hf_paho_end(context, (hf_paho_ending){.kind = HF_LINK_CLOSED,
                                        .source = HF_SOURCE_CLIENT,
                                        .code = HF_CLIENT_CLOSED,
                                        .phase = HF_PHASE_UP,
                                        .text = "the DISCONNECT could not be sent in time",
                                        .leave_publishes = true});
}

static void disconnect(hf_paho_attempt *attempt, hf_link_farewell farewell, int64_t session_expiry) {
  MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
  hf_paho_callbacks_disconnect(attempt, &options);
  if (attempt->protocol == 5) {
    options.struct_version = 1;
    options.reasonCode = (enum MQTTReasonCodes)farewell;
    uint32_t expiry = session_expiry > UINT32_MAX ? UINT32_MAX : (uint32_t)session_expiry;
    if (session_expiry >= 0)
      hf_paho_properties_number(&options.properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, expiry);
  }
  /* It fails only when the connection has ended already; then that is told. */
  hf_paho_calls_begin();
  MQTTAsync_disconnect(attempt->handle, &options);
  hf_paho_calls_end();
  MQTTProperties_free(&options.properties);
}

static void link_abandon(hf_link *link) {
  hf_paho_retire(link);
  hf_paho_quiet_over(link);
}

/* Without its socket Paho has one way to leave with the will in MQTT 5, and none in 3.1.1. */
static hf_link_farewell possible(const hf_paho_attempt *attempt, hf_link_farewell wanted) {
  bool says = wanted == HF_LINK_GOODBYE || (wanted == HF_LINK_WITH_WILL && attempt->protocol == 5);
  if (says || attempt->own >= 0) return says ? wanted : HF_LINK_WITHOUT_A_WORD;
  return attempt->protocol == 5 ? HF_LINK_WITH_WILL : HF_LINK_GOODBYE;
}

static void link_close(hf_link *link, hf_link_farewell wanted, int64_t session_expiry, uint32_t timeout) {
  hf_paho_attempt *attempt = link->attempt;
  if (!attempt) return;
  pthread_mutex_lock(&link->lock);
  hf_paho_state state = attempt->state;
  hf_link_farewell farewell = possible(attempt, wanted);
  bool silent = farewell == HF_LINK_WITHOUT_A_WORD || state == HF_PAHO_CONNECTING;
  attempt->goodbye = farewell == HF_LINK_GOODBYE;
  if (state == HF_PAHO_UP && !silent) attempt->state = HF_PAHO_CLOSING;
  pthread_mutex_unlock(&link->lock);
  if (state == HF_PAHO_UP && !silent) {
    attempt->closing = (hf_paho_deadline){.at = hf_clock_ms() + timeout, .expired = expired, .context = attempt};
    hf_paho_waker_expect(&attempt->closing);
    disconnect(attempt, farewell, session_expiry);
  } else if (state == HF_PAHO_UP || state == HF_PAHO_CONNECTING) {
    hf_paho_end(attempt,
                (hf_paho_ending){.kind = HF_LINK_CLOSED, .source = HF_SOURCE_CLIENT, .code = HF_CLIENT_CLOSED});
    hf_paho_retire(link);
  }
}

static bool link_mid_exchange(hf_link *link) {
  return hf_paho_store_has_any(&link->store);
}

static void link_destroy(hf_link *link) {
  link_abandon(link);
  hf_paho_attempt last = {.link = link};
  hf_publish *lost = link->carried;
  link->carried = NULL;
  hf_paho_return(&last, lost);
  hf_paho_store_free(&link->store);
  pthread_mutex_destroy(&link->lock);
  free(link->client_id);
  free(link);
}

const hf_link_operations hf_link_paho = {.name = "paho",
                                         .load = hf_paho_load,
                                         .begin = link_begin,
                                         .end = link_end,
                                         .create = link_create,
                                         .resume = link_resume,
                                         .clear = hf_paho_quiet_clear,
                                         .open = hf_paho_open,
                                         .abandon = link_abandon,
                                         .publish = hf_paho_publish,
                                         .subscribe = hf_paho_subscribe,
                                         .unsubscribe = hf_paho_unsubscribe,
                                         .probe = hf_paho_probe,
                                         .close = link_close,
                                         .mid_exchange = link_mid_exchange,
                                         .window = HF_PAHO_WINDOW,
                                         .trace = hf_paho_trace,
                                         .destroy = link_destroy};
