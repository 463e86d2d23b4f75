/* What ngtcp2 tells of a connection, from within hf_quic_connection_write and what reads datagrams. Nothing of it may
 * call ngtcp2's great functions, nor tell the owner: it is noted, and told after. */
#include <stdio.h>

#include "quic/connection.h"

/* A server may say that it forgets at once: we do not ask it without a pause. */
enum { ALIVE_AT_LEAST = 50 * NGTCP2_MILLISECONDS };

static int complete(ngtcp2_conn *conn, void *user) {
  hf_quic_connection *c = user;
  int error = hf_quic_look_back(c);
  if (error) return error;
  const ngtcp2_transport_params *theirs = ngtcp2_conn_get_remote_transport_params(conn);
  ngtcp2_duration idle = ngtcp2_conn_get_local_transport_params(conn)->max_idle_timeout;
  if (theirs->max_idle_timeout && theirs->max_idle_timeout < idle) idle = theirs->max_idle_timeout;
  c->keep_alive = idle / 2 < ALIVE_AT_LEAST ? ALIVE_AT_LEAST : idle / 2;
  ngtcp2_conn_set_keep_alive_timeout(conn, c->keep_alive);
  c->shaken = c->news = true;
  return c->id >= 0 || hf_quic_open_stream(c) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

/* A server may allow no stream at first. */
bool hf_quic_open_stream(hf_quic_connection *c) {
  int error = ngtcp2_conn_open_bidi_stream(c->conn, &c->id, NULL);
  if (error) c->id = -1;
  return error == 0 || error == NGTCP2_ERR_STREAM_ID_BLOCKED;
}

static int may_open(ngtcp2_conn *conn, uint64_t most, void *user) {
  hf_quic_connection *c = user;
  (void)conn, (void)most;
  if (!c->shaken || c->id >= 0) return 0;
  c->news = true;
  return hf_quic_open_stream(c) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int receive(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data, size_t length,
                   void *user, void *of_stream) {
  hf_quic_connection *c = user;
  (void)conn, (void)offset, (void)of_stream;
  if (id != c->id || !c->in) return 0;
  c->starved = hf_quic_fifo_add(c->in, data, length) < length;
  if (c->starved) return NGTCP2_ERR_CALLBACK_FAILURE;
  if (flags & NGTCP2_STREAM_DATA_FLAG_FIN) c->peer_ended = true;
  c->news = true;
  return 0;
}

static int acknowledged(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t length, void *user, void *of_stream) {
  hf_quic_connection *c = user;
  (void)conn, (void)of_stream;
  if (id != c->id || !c->out) return 0;
  hf_quic_fifo_let_go(c->out, offset + length);
  c->heard_at = c->waits_since = c->plan->loop->now;
  c->news = true;
  return 0;
}

static int stream_closed(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user, void *of_stream) {
  hf_quic_connection *c = user;
  (void)conn, (void)flags, (void)code, (void)of_stream;
  if (id == c->id) c->closed = c->peer_ended = c->shut = c->news = true;
  return 0;
}

static int stream_reset(ngtcp2_conn *conn, int64_t id, uint64_t size, uint64_t code, void *user, void *of_stream) {
  hf_quic_connection *c = user;
  (void)conn, (void)size, (void)code, (void)of_stream;
  if (id == c->id) c->reset = c->peer_ended = c->news = true;
  return 0;
}

static int confirmed(ngtcp2_conn *conn, void *user) {
  (void)conn;
  ((hf_quic_connection *)user)->confirmed = true;
  return 0;
}

static int path_validated(ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path,
                          HF_QUIC_FORMER_PATH ngtcp2_path_validation_result result, void *user) {
  hf_quic_connection *c = user;
  (void)conn, (void)flags;
  if (result != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS || c->arrived) return 0;
  c->arrived = c->moved_at && hf_quic_socket_at(c, &path->local) == c->latest;
  if (c->arrived) c->moves++;
  return 0;
}

static int stateless_reset(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset *reset, void *user) {
  (void)conn, (void)reset;
  hf_quic_end_with(user, HF_SOURCE_NETWORK, HF_NETWORK_RESET,
                   "the server does not know the connection any more (stateless reset)");
  return 0;
}

static int other_versions(ngtcp2_conn *conn, const ngtcp2_pkt_hd *head, const uint32_t *versions, size_t count,
                          void *user) {
  hf_quic_connection *c = user;
  (void)conn, (void)head;
  size_t used = (size_t)snprintf(c->end.text, sizeof c->end.text, "it speaks");
  for (size_t i = 0; i < count && used + 13 < sizeof c->end.text; i++)
    used += (size_t)snprintf(c->end.text + used, sizeof c->end.text - used, "%s 0x%08x", i ? "," : "",
                             (unsigned)versions[i]);
  return 0;
}

hf_quic_connection *hf_quic_writing;

/* Not told whose packet it is; one whose tag alone is computed has no payload (RFC 9001 section 5.8). */
static int encrypt(uint8_t *to, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
                   const uint8_t *payload, size_t length, const uint8_t *nonce, size_t nonce_length,
                   const uint8_t *head, size_t head_length) {
  if (hf_quic_writing && length > 0) hf_quic_frames_note(&hf_quic_writing->sent, payload, length);
  return ngtcp2_crypto_encrypt_cb(to, aead, context, payload, length, nonce, nonce_length, head, head_length);
}

static void draw(uint8_t *to, size_t length, const ngtcp2_rand_ctx *context) {
  (void)context;
  gnutls_rnd(GNUTLS_RND_NONCE, to, length);
}

static int draw_id(ngtcp2_conn *conn, ngtcp2_cid *id, uint8_t *token, size_t length, void *user) {
  (void)conn, (void)user;
  id->datalen = length;
  bool fine = gnutls_rnd(GNUTLS_RND_RANDOM, id->data, length) == 0 &&
              gnutls_rnd(GNUTLS_RND_RANDOM, token, NGTCP2_STATELESS_RESET_TOKENLEN) == 0;
  return fine ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

const ngtcp2_callbacks hf_quic_callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .handshake_completed = complete,
    .recv_version_negotiation = other_versions,
    .encrypt = encrypt,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_stream_data = receive,
    .acked_stream_data_offset = acknowledged,
    .stream_close = stream_closed,
    .stream_reset = stream_reset,
    .recv_stateless_reset = stateless_reset,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .extend_max_local_streams_bidi = may_open,
    .rand = draw,
    .get_new_connection_id = draw_id,
    .update_key = ngtcp2_crypto_update_key_cb,
    .path_validation = path_validated,
    .handshake_confirmed = confirmed,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};
