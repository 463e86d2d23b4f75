#include "link/paho_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hf_paho_attempt *make(hf_link *link, uint32_t generation, const hf_link_attempt *from) {
  hf_paho_attempt *attempt = calloc(1, sizeof *attempt);
  if (!attempt) return NULL;
  attempt->farewell = calloc(1, sizeof *attempt->farewell);
  if (!attempt->farewell) {
    free(attempt);
    return NULL;
  }
  attempt->link = link;
  attempt->generation = generation;
  attempt->protocol = from->protocol;
  attempt->keep_alive = from->keep_alive;
  attempt->port = from->port;
  attempt->session_expiry = from->session_expiry;
  attempt->tls = from->tls != NULL;
  attempt->will = from->will != NULL;
  attempt->own = -1;
  /* In MQTT 3.1.1 a clean start is a session that ends with its connection. */
  attempt->keeps_session = from->session_expiry > 0 && (from->protocol == 5 || !from->clean_start);
  attempt->persistence = hf_paho_store_persistence(attempt);
  hf_paho_slots_init(attempt);
  return attempt;
}

void hf_paho_retire(hf_link *link) {
  hf_paho_attempt *attempt = link->attempt;
  if (!attempt) return;
  pthread_mutex_lock(&link->lock);
  attempt->state = HF_PAHO_ENDED;
  hf_paho_let_go(attempt);
  pthread_mutex_unlock(&link->lock);
  hf_paho_waker_forget(&attempt->closing);
  if (attempt->handle) {
    hf_paho_waker_lee();
    hf_paho_calls_begin();
    /* Waits for a callback that is running; afterwards there is none. */
    MQTTAsync_destroy(&attempt->handle);
    hf_paho_calls_end();
    hf_paho_waker_lee_over();
  }
  hf_paho_waker_mark();
  pthread_mutex_lock(&link->lock);
  hf_publish *lost = hf_paho_slots_sweep(attempt);
  pthread_mutex_unlock(&link->lock);
  hf_paho_return(attempt, lost);
  hf_paho_requests_free(attempt);
  hf_paho_queue_free(attempt);
  hf_paho_psk_free(attempt->psk);
  hf_paho_sockets_free(attempt);
  hf_paho_slots_free(attempt);
  free(attempt->farewell);
  free(attempt);
  link->attempt = NULL;
}

static bool same_session(const hf_link *link, const hf_link_attempt *from) {
  return link->client_id && link->protocol == from->protocol && strcmp(link->client_id, from->client_id) == 0;
}

/* What the store holds belongs to one session: one client id, in one version of the protocol. */
static void choose_session(hf_link *link, hf_paho_attempt *attempt, const hf_link_attempt *from) {
  if (same_session(link, from)) return;
  pthread_mutex_lock(&link->lock);
  hf_publish *lost = link->carried;
  link->carried = NULL;
  free(link->client_id);
  link->client_id = strdup(from->client_id);
  link->protocol = from->protocol;
  link->receive_maximum = UINT16_MAX;
  pthread_mutex_unlock(&link->lock);
  hf_paho_return(attempt, lost);
  hf_paho_store_clear(&link->store);
  if (link->store.disk) hf_store_begin_session(link->store.disk, from->protocol);
}

static void fail(hf_paho_attempt *attempt, hf_source source, int code, const char *text) {
  hf_paho_end(attempt, (hf_paho_ending){.kind = HF_LINK_FAILED, .source = source, .code = code, .text = text});
}

/* A handle whose MQTTAsync_connect failed knows of no session expiry, so Paho ends its session when it is destroyed. */
static void bury(hf_paho_attempt *attempt, int failed) {
  attempt->stillborn = true;
  fail(attempt, HF_SOURCE_PAHO, failed, NULL);
}

static int create_handle(hf_paho_attempt *attempt, const char *uri, const char *client_id) {
  MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer5;
  options.MQTTVersion = attempt->protocol;
  options.maxBufferedMessages = 2 * HF_PAHO_WINDOW;
  /* Not MQTTAsync_create: it calls srand(). */
  return MQTTAsync_createWithOptions(&attempt->handle, uri, client_id, MQTTCLIENT_PERSISTENCE_USER,
                                     &attempt->persistence, &options);
}

static void connect(hf_paho_attempt *attempt, const hf_link_attempt *from, const hf_paho_options *options) {
  int failed = create_handle(attempt, options->uri, from->client_id);
  if (!failed && !hf_paho_callbacks_set(attempt)) failed = MQTTASYNC_FAILURE;
  if (failed) {
    bury(attempt, failed);
    return;
  }
  hf_paho_sockets_note(attempt);
  attempt->waiting = true;
  if (attempt->will) hf_paho_watch_sockets(true);
  attempt->watching = attempt->will;
  hf_paho_waker_hold();
  hf_paho_waker_settle();
  hf_paho_calls_begin();
  failed = MQTTAsync_connect(attempt->handle, &options->connect);
  hf_paho_calls_end();
  hf_paho_waker_retune();
  if (failed) bury(attempt, failed);
}

static void begin_attempt(hf_paho_attempt *attempt, const hf_link_attempt *from) {
  hf_link *link = attempt->link;
  attempt->resuming = link->quiet == HF_PAHO_HAS_QUIET;
  const char *proxy = hf_paho_proxy_in_the_way(attempt->tls);
  if (proxy) {
    char text[120];
    snprintf(text, sizeof text, "%s is set, and Paho would send MQTT through that proxy: unset it", proxy);
    fail(attempt, HF_SOURCE_NETWORK, HF_NETWORK_PROXY_VARIABLE, text);
    return;
  }
  choose_session(link, attempt, from);
  hf_paho_carried_withhold(attempt);
  hf_paho_options options;
  if (hf_paho_options_make(&options, attempt, from))
    connect(attempt, from, &options);
  else
    fail(attempt, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
  hf_paho_options_free(&options);
}

bool hf_paho_open(hf_link *link, uint32_t generation, const hf_link_attempt *from) {
  hf_paho_retire(link);
  link->attempt = make(link, generation, from);
  if (link->attempt)
    begin_attempt(link->attempt, from);
  else
    hf_paho_quiet_over(link);
  return link->attempt != NULL;
}
