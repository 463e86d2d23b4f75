/* quic_server/connection: one client's, by ngtcp2. */
#include <stdlib.h>
#include <string.h>

#include "server.h"

enum { MOST_PIECES = 16, MOST_DATAGRAMS_A_TURN = 128 };

static void fill_random(uint8_t *bytes, size_t length, const ngtcp2_rand_ctx *context) {
  (void)context;
  if (gnutls_rnd(GNUTLS_RND_NONCE, bytes, length) != 0) fail("gnutls_rnd");
}

static int new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t length, void *user) {
  (void)conn;
  struct connection *connection = user;
  struct server *server = connection->server;
  fill_random(cid->data, length, NULL);
  cid->datalen = length;
  if (ngtcp2_crypto_generate_stateless_reset_token(token, server->reset_key, KEY_LENGTH, cid) != 0)
    return NGTCP2_ERR_CALLBACK_FAILURE;
  door_remember(server, cid, connection);
  return 0;
}

static int old_cid(ngtcp2_conn *conn, const ngtcp2_cid *cid, void *user) {
  (void)conn;
  struct connection *connection = user;
  door_forget(connection->server, cid);
  return 0;
}

static void give_token(struct connection *connection) {
  uint8_t token[256];
  ngtcp2_ssize length = ngtcp2_crypto_generate_regular_token(token, connection->server->token_key, KEY_LENGTH,
                                                             (const struct sockaddr *)&connection->remote,
                                                             connection->remote_length, now());
  if (length > 0) ngtcp2_conn_submit_new_token(connection->conn, token, (size_t)length);
}

static int handshake_completed(ngtcp2_conn *conn, void *user) {
  (void)conn;
  struct connection *connection = user;
  struct server *server = connection->server;
  connection->is_done = true;
  server->counters.handshakes++;
  if (gnutls_session_is_resumed(connection->session)) server->counters.resumed++;
  if (gnutls_session_get_flags(connection->session) & GNUTLS_SFLAGS_EARLY_DATA) server->counters.early++;
  if (strcmp(server->options.tickets, "off") != 0 && gnutls_session_ticket_send(connection->session, 1, 0) != 0)
    return NGTCP2_ERR_CALLBACK_FAILURE;
  give_token(connection);
  return 0;
}

static int stream_open(ngtcp2_conn *conn, int64_t stream, void *user) {
  struct connection *connection = user;
  connection->server->counters.streams++;
  if (!ngtcp2_is_bidi_stream(stream)) return 0; /* what comes there is nobody's */
  if (connection->pipe.stream < 0) {
    pipe_open(connection, stream);
    return 0;
  }
  connection->server->counters.streams_refused++;
  return SHUT(stream, conn, stream, 1) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

/* Where the packet of MQTT ends that a stream begins with; 0: these bytes do not say. */
static uint64_t end_of_packet(const uint8_t *bytes, size_t length) {
  uint64_t rest = 0;
  for (size_t i = 1; i < length && i < 5; i++) {
    rest |= (uint64_t)(bytes[i] & 0x7f) << 7 * (i - 1);
    if (!(bytes[i] & 0x80)) return 1 + i + rest;
  }
  return 0;
}

/* Who listens can have early data arrive again: nothing may be in it but one CONNECT. */
static void look_at_early(struct connection *connection, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct counters *counters = &connection->server->counters;
  counters->early_bytes += length;
  if (offset == 0 && bytes[0] >> 4 == 1) connection->early_end = end_of_packet(bytes, length);
  if (offset + length > connection->early_end) counters->early_foreign++;
}

static int stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t offset, const uint8_t *bytes,
                       size_t length, void *user, void *stream_user) {
  (void)conn;
  (void)stream_user;
  struct connection *connection = user;
  if (stream != connection->pipe.stream) return 0;
  if (flags & NGTCP2_STREAM_DATA_FLAG_EARLY && length) look_at_early(connection, offset, bytes, length);
  pipe_take(connection, bytes, length, flags & NGTCP2_STREAM_DATA_FLAG_FIN);
  return 0;
}

static int stream_acknowledged(ngtcp2_conn *conn, int64_t stream, uint64_t offset, uint64_t length, void *user,
                               void *stream_user) {
  (void)conn;
  (void)stream_user;
  struct connection *connection = user;
  if (stream == connection->pipe.stream) pipe_acknowledged(&connection->pipe, offset + length);
  return 0;
}

static int stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t code, void *user,
                        void *stream_user) {
  (void)conn;
  (void)flags;
  (void)code;
  (void)stream_user;
  struct connection *connection = user;
  if (stream == connection->pipe.stream) pipe_close(&connection->pipe);
  return 0;
}

static int stream_reset(ngtcp2_conn *conn, int64_t stream, uint64_t size, uint64_t code, void *user,
                        void *stream_user) {
  (void)size;
  (void)stream_user;
  struct connection *connection = user;
  if (stream != connection->pipe.stream) return 0;
  if (connection->pipe.is_cut) return 0;
  connection->pipe.client_ended = true;
  return SHUT(stream_write, conn, stream, code) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int path_validated(ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path,
                          HF_QUIC_FORMER_PATH ngtcp2_path_validation_result result, void *user) {
  (void)conn;
  (void)flags;
  (void)path;
  struct connection *connection = user;
  if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS)
    connection->server->counters.validations++;
  else
    connection->server->counters.validations_failed++;
  return 0;
}

static const ngtcp2_callbacks callbacks = {
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .rand = fill_random,
    .get_new_connection_id = new_cid,
    .remove_connection_id = old_cid,
    .handshake_completed = handshake_completed,
    .stream_open = stream_open,
    .recv_stream_data = stream_data,
    .acked_stream_data_offset = stream_acknowledged,
    .stream_close = stream_close,
    .stream_reset = stream_reset,
    .path_validation = path_validated,
};

static void write_parameters(struct server *server, ngtcp2_transport_params *parameters, const ngtcp2_cid *scid) {
  const struct options *options = &server->options;
  ngtcp2_transport_params_default(parameters);
  parameters->initial_max_stream_data_bidi_remote = options->window;
  parameters->initial_max_data = options->connection_window;
  parameters->initial_max_streams_bidi = options->streams;
  parameters->initial_max_streams_uni = options->one_way_streams;
  parameters->initial_max_stream_data_uni = options->one_way_streams ? options->window : 0;
  parameters->max_idle_timeout = options->idle_ms * NGTCP2_MILLISECONDS;
  parameters->active_connection_id_limit = 7;
  parameters->disable_active_migration = options->no_migration;
  parameters->stateless_reset_token_present = 1;
  if (ngtcp2_crypto_generate_stateless_reset_token(parameters->stateless_reset_token, server->reset_key, KEY_LENGTH,
                                                   scid) != 0)
    fail("no token for a stateless reset");
}

struct connection *connection_new(struct server *server, const ngtcp2_path *path, const ngtcp2_pkt_hd *header,
                                  const ngtcp2_cid *original, const ngtcp2_cid *retried) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) fail("out of memory");
  connection->server = server;
  connection->pipe = (struct pipe){.stream = -1, .socket = -1};
  memcpy(&connection->remote, path->remote.addr, path->remote.addrlen);
  connection->remote_length = path->remote.addrlen;
  connection->last_dcid = header->dcid;
  ngtcp2_cid scid = {.datalen = CID_LENGTH};
  fill_random(scid.data, CID_LENGTH, NULL);
  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.initial_ts = now();
  settings.handshake_timeout = server->options.handshake_ms * NGTCP2_MILLISECONDS;
  GIVE_TOKEN(settings, *header);
  settings.preferred_versions = server->versions;
  settings.preferred_versionslen = server->version_count;
  ngtcp2_transport_params parameters;
  write_parameters(server, &parameters, &scid);
  CALLED_FIRST(parameters, original ? *original : header->dcid);
  if (retried) {
    parameters.retry_scid = *retried;
    parameters.retry_scid_present = 1;
  }
  if (ngtcp2_conn_server_new(&connection->conn, &header->scid, &scid, path, header->version, &callbacks, &settings,
                             &parameters, NULL, connection) != 0) {
    free(connection);
    return NULL;
  }
  tls_open(connection);
  door_remember(server, &scid, connection);
  door_remember(server, &header->dcid, connection); /* until the client knows ours */
  server->counters.connections++;
  connection->next = server->connections;
  server->connections = connection;
  return connection;
}

static void drain(struct connection *connection) {
  ngtcp2_connection_close_error error;
  ngtcp2_conn_get_connection_close_error(connection->conn, &error);
  connection->server->counters.closed_by_client++;
  connection->server->counters.last_code = error.error_code;
  connection->gone_after = now() + 3 * ngtcp2_conn_get_pto(connection->conn);
  pipe_close(&connection->pipe);
}

void connection_close(struct connection *connection, int error, uint64_t code) {
  struct server *server = connection->server;
  ngtcp2_connection_close_error why;
  ngtcp2_connection_close_error_default(&why);
  if (error == NGTCP2_ERR_CRYPTO) {
    server->counters.last_alert = ngtcp2_conn_get_tls_alert(connection->conn);
    ngtcp2_connection_close_error_set_transport_error_tls_alert(&why, (uint8_t)server->counters.last_alert, NULL, 0);
  } else if (error) {
    server->counters.last_error = (uint64_t)-error;
    ngtcp2_connection_close_error_set_transport_error_liberr(&why, error, NULL, 0);
  } else {
    ngtcp2_connection_close_error_set_application_error(&why, code, NULL, 0);
  }
  if (!connection->is_done) server->counters.failed++;
  server->counters.closed_here++;
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info;
  ngtcp2_ssize length = ngtcp2_conn_write_connection_close(connection->conn, &path.path, &info, connection->farewell,
                                                           sizeof connection->farewell, &why, now());
  pipe_close(&connection->pipe);
  if (length <= 0) {
    connection->is_dead = true;
    return;
  }
  connection->farewell_length = (size_t)length;
  connection->gone_after = now() + 3 * ngtcp2_conn_get_pto(connection->conn);
  door_send(server, path.path.remote.addr, path.path.remote.addrlen, connection->farewell, (size_t)length);
}

static bool is_at(const struct connection *connection, const ngtcp2_addr *address) {
  return address->addrlen == connection->remote_length &&
         memcmp(address->addr, &connection->remote, connection->remote_length) == 0;
}

/* RFC 9000, 9.5: who moves on purpose takes another connection id; who does not know that it moved cannot. */
static void notice_move(struct connection *connection, const ngtcp2_addr *from, const ngtcp2_cid *to) {
  const ngtcp2_path *path = ngtcp2_conn_get_path(connection->conn);
  if (!is_at(connection, &path->remote)) {
    if (ngtcp2_cid_eq(to, &connection->last_dcid))
      connection->server->counters.rebindings++;
    else
      connection->server->counters.migrations++;
    memcpy(&connection->remote, path->remote.addr, path->remote.addrlen);
    connection->remote_length = path->remote.addrlen;
  }
  if (is_at(connection, from)) connection->last_dcid = *to;
}

void connection_read(struct connection *connection, const ngtcp2_path *path, const ngtcp2_cid *to,
                     const uint8_t *packet, size_t length) {
  if (connection->gone_after) {
    if (connection->farewell_length)
      door_send(connection->server, path->remote.addr, path->remote.addrlen, connection->farewell,
                connection->farewell_length);
    return;
  }
  connection->pipe.blocked = false;
  ngtcp2_pkt_info info = {0};
  int result = ngtcp2_conn_read_pkt(connection->conn, path, &info, packet, length, now());
  if (result == 0)
    notice_move(connection, &path->remote, to);
  else if (result == NGTCP2_ERR_DRAINING)
    drain(connection);
  else if (result == NGTCP2_ERR_DROP_CONN || result == NGTCP2_ERR_RETRY)
    connection->is_dead = true;
  else
    connection_close(connection, result, 0);
}

static void write_packets(struct connection *connection) {
  struct pipe *pipe = &connection->pipe;
  uint8_t packet[DATAGRAM];
  for (int i = 0; i < MOST_DATAGRAMS_A_TURN; i++) {
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info;
    ngtcp2_vec pieces[MOST_PIECES];
    bool ends = false, has = pipe_has_unsent(pipe) && !pipe->blocked;
    size_t count = has ? pipe_unsent(pipe, pieces, MOST_PIECES, &ends) : 0;
    ngtcp2_ssize taken = -1;
    ngtcp2_ssize length = ngtcp2_conn_writev_stream(connection->conn, &path.path, &info, packet,
                                                    ngtcp2_conn_get_max_tx_udp_payload_size(connection->conn), &taken,
                                                    ends ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE,
                                                    has ? pipe->stream : -1, pieces, count, now());
    if (length == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
      pipe->blocked = true;
    } else if (length == NGTCP2_ERR_STREAM_SHUT_WR || length == NGTCP2_ERR_STREAM_NOT_FOUND) {
      pipe->sent = pipe->taken;
      pipe->broker_ended = pipe->told_client = true;
    } else if (length < 0) {
      connection_close(connection, (int)length, 0);
      return;
    }
    if (taken >= 0) {
      pipe->sent += (uint64_t)taken;
      if (ends && pipe->sent == pipe->taken) pipe->told_client = true;
    }
    if (length == 0) break;
    if (length > 0)
      door_send(connection->server, path.path.remote.addr, path.path.remote.addrlen, packet, (size_t)length);
  }
  /* ngtcp2 paces by a round trip that it takes for a third of a second until it knows one: what a server has to say in
   * a handshake is a burst that RFC 9002 section 7.7 allows. */
  if (connection->is_done) ngtcp2_conn_update_pkt_tx_time(connection->conn, now());
}

void connection_turn(struct connection *connection) {
  if (connection->is_dead) return;
  if (connection->gone_after) {
    connection->is_dead = now() >= connection->gone_after;
    return;
  }
  if (connection->pipe.refused) { /* as a broker that is not there does by TCP */
    connection_close(connection, 0, NO_BROKER);
    return;
  }
  if (now() >= ngtcp2_conn_get_expiry(connection->conn)) {
    int result = ngtcp2_conn_handle_expiry(connection->conn, now());
    if (result == NGTCP2_ERR_IDLE_CLOSE || result == NGTCP2_ERR_HANDSHAKE_TIMEOUT) {
      connection->server->counters.idle_closes += result == NGTCP2_ERR_IDLE_CLOSE;
      connection->server->counters.failed += !connection->is_done;
      connection->is_dead = true;
      return;
    }
    if (result != 0) {
      connection_close(connection, result, 0);
      return;
    }
  }
  write_packets(connection);
}

ngtcp2_tstamp connection_due(struct connection *connection) {
  return connection->gone_after ? connection->gone_after : ngtcp2_conn_get_expiry(connection->conn);
}

void connection_free(struct connection *connection) {
  pipe_close(&connection->pipe);
  ngtcp2_conn_del(connection->conn);
  gnutls_deinit(connection->session);
  free(connection);
}
