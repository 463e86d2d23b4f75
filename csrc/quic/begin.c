#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "quic/connection.h"
#include "quic/inspect.h"
#include "quic/part.h"
#include "quic/verify.h"
#include "sys/clock.h"

enum {
  WINDOW = 256 * 1024,       /* bytes that the peer may send before they are read, at first */
  MOST_WINDOW = 1024 * 1024, /* and at most, where it is read as fast as it comes */
  IDLE_AT_LEAST = 10000,     /* ms */
  IDLE_USUALLY = 60000,      /* ms, where nobody asks for a sign of life */
  CONNECTION_IDS = 4,        /* of the server's, that are kept for other paths */
  CID = 16,                  /* bytes of ours */
};

ngtcp2_tstamp hf_quic_now(void) {
  return (ngtcp2_tstamp)hf_clock_us() * NGTCP2_MICROSECONDS;
}

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *reference) {
  return ((hf_quic_connection *)reference->user_data)->conn;
}

int hf_quic_verify(gnutls_session_t session) {
  const ngtcp2_crypto_conn_ref *reference = gnutls_session_get_ptr(session);
  hf_quic_connection *c = reference->user_data;
  unsigned count = 0;
  const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);
  hf_bytes chain[HF_QUIC_CHAIN];
  if (!shown) count = 0;
  if (count > HF_QUIC_CHAIN) count = HF_QUIC_CHAIN;
  for (unsigned i = 0; i < count; i++)
    chain[i] = (hf_bytes){(const char *)shown[i].data, shown[i].size};
  bool fine = hf_quic_host_there->judge(c->plan->context, chain, count, c->plan->host, &c->distrust);
  hf_quic_inspect_chain(c, chain, count, fine ? NULL : c->distrust.text);
  return fine ? 0 : -1;
}

/* RFC 9001 section 8.1: without a protocol that both know there is no connection. GnuTLS looks at what a server has
 * chosen, and not at whether it has; it calls this before it has read a message, so that what follows the choice is
 * awaited. */
static int look_for_protocol(gnutls_session_t session) {
  gnutls_datum_t chosen;
  return gnutls_alpn_get_selected_protocol(session, &chosen) == 0 ? 0 : GNUTLS_E_NO_APPLICATION_PROTOCOL;
}

static int look_at_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                           const gnutls_datum_t *message) {
  const ngtcp2_crypto_conn_ref *reference = gnutls_session_get_ptr(session);
  bool after = when == GNUTLS_HOOK_POST;
  if (type == GNUTLS_HANDSHAKE_FINISHED && after) return look_for_protocol(session);
  if (type != GNUTLS_HANDSHAKE_NEW_SESSION_TICKET || !incoming) return 0;
  if (after)
    hf_quic_keep_ticket(reference->user_data);
  else
    hf_quic_read_ticket(reference->user_data, message);
  return 0;
}

static bool make_session(hf_quic_connection *c, bool early) {
  const hf_quic_half *half = c->plan->half;
  const unsigned flags = GNUTLS_CLIENT | GNUTLS_NO_END_OF_EARLY_DATA | GNUTLS_NO_SIGNAL;
  if (gnutls_init(&c->session, early ? flags | GNUTLS_ENABLE_EARLY_DATA : flags) < 0) return false;
  c->reference = (ngtcp2_crypto_conn_ref){.get_conn = conn_of, .user_data = c};
  gnutls_session_set_ptr(c->session, &c->reference);
  gnutls_handshake_set_hook_function(c->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, look_at_message);
  return ngtcp2_crypto_gnutls_configure_client_session(c->session) == 0 &&
         gnutls_priority_set(c->session, half->priority) == 0 &&
         gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, half->own) == 0 &&
         gnutls_alpn_set_protocols(c->session, half->names, half->name_count, GNUTLS_ALPN_MANDATORY) == 0 &&
         (c->plan->is_address ||
          gnutls_server_name_set(c->session, GNUTLS_NAME_DNS, c->plan->host, strlen(c->plan->host)) == 0);
}

/* What another version of GnuTLS has packed, this one does not unpack: then there is a whole handshake, by a session
 * that has seen nothing of it. */
static bool begin_session(hf_quic_connection *c, hf_quic_ticket *ticket, bool *early) {
  if (!make_session(c, *early)) return false;
  if (!ticket->session.data) return true;
  if (gnutls_session_set_data(c->session, ticket->session.data, ticket->session.length) == 0) return true;
  hf_quic_drop_ticket(c, ticket);
  gnutls_deinit(c->session);
  c->session = NULL;
  *early = false;
  return make_session(c, false);
}

/* A server that is asked for a sign of life is judged by its answer; the idle timeout is the net below that, twice as
 * long. */
static ngtcp2_duration idle_timeout(uint32_t quiet) {
  uint64_t ms = quiet ? 4ull * quiet : IDLE_USUALLY;
  return (ms < IDLE_AT_LEAST ? IDLE_AT_LEAST : ms) * NGTCP2_MILLISECONDS;
}

static bool make_conn(hf_quic_connection *c) {
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  ngtcp2_cid theirs = {.datalen = CID}, ours = {.datalen = CID};
  if (gnutls_rnd(GNUTLS_RND_RANDOM, theirs.data, CID) < 0 || gnutls_rnd(GNUTLS_RND_RANDOM, ours.data, CID) < 0)
    return false;
  ngtcp2_settings_default(&settings);
  settings.initial_ts = hf_quic_now();
  settings.max_window = settings.max_stream_window = MOST_WINDOW;
  if (c->plan->patience) settings.handshake_timeout = c->plan->patience * NGTCP2_MILLISECONDS;
  ngtcp2_transport_params_default(&params);
  params.initial_max_data = params.initial_max_stream_data_bidi_local = WINDOW;
  params.max_idle_timeout = idle_timeout(c->plan->quiet);
  params.active_connection_id_limit = CONNECTION_IDS;
  const ngtcp2_path path = hf_quic_path_of(c->latest);
  int error = ngtcp2_conn_client_new(&c->conn, &theirs, &ours, &path, NGTCP2_PROTO_VER_V1, &hf_quic_callbacks,
                                     &settings, &params, NULL, c);
  if (error) c->conn = NULL; /* it leaves there what it has freed again */
  if (error) return false;
  ngtcp2_conn_set_tls_native_handle(c->conn, c->session);
  return true;
}

hf_quic_connection *hf_quic_connection_begin(const hf_quic_plan *plan, const hf_quic_address *to, socklen_t length,
                                             bool early, void (*changed)(hf_quic_connection *connection, void *owner),
                                             void *owner) {
  hf_quic_ticket ticket;
  hf_quic_connection *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  *c = (hf_quic_connection){.plan = plan,
                            .changed = changed,
                            .owner = owner,
                            .timer = {.fire = hf_quic_fire},
                            .task = {.run = hf_quic_run},
                            .id = -1};
  for (size_t i = 0; i < HF_QUIC_SOCKETS; i++)
    c->sockets[i].watch.descriptor = -1;
  c->latest = &c->sockets[0];
  int error = hf_quic_socket_open(c->latest, plan->loop, to, length, hf_quic_ready, c);
  if (!error) early = hf_quic_choose_ticket(c, &ticket) && early && hf_quic_may_go_early(c, &ticket);
  if (error)
    hf_quic_fail_system(c, error);
  else if (!begin_session(c, &ticket, &early) || !make_conn(c) || (early && !hf_quic_go_early(c, &ticket)))
    hf_quic_end_with(c, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "");
  hf_quic_connection_write_soon(c);
  return c;
}

void hf_quic_connection_free(hf_quic_connection *c) {
  ngtcp2_connection_close_error why;
  ngtcp2_connection_close_error_default(&why);
  why.type = NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
  if (!c->ended) hf_quic_say_goodbye(c, &why);
  hf_loop_stop(c->plan->loop, &c->timer);
  hf_loop_cancel(c->plan->loop, &c->task);
  for (size_t i = 0; i < HF_QUIC_SOCKETS; i++)
    hf_quic_socket_close(&c->sockets[i], c->plan->loop);
  ngtcp2_conn_del(c->conn);
  if (c->session) gnutls_deinit(c->session);
  free(c->held);
  hf_quic_ticket_free(c->ticket);
  free(c);
}

void hf_quic_connection_adopt(hf_quic_connection *c) {
  if (!c->out) hf_quic_fifo_give_again(c->plan->out); /* another one may have been given some of it */
  c->out = c->plan->out;
  c->in = c->plan->in;
  hf_quic_connection_write_soon(c);
}

bool hf_quic_connection_is_open(const hf_quic_connection *c) {
  return c->id >= 0;
}
