/* quic_server/tls: certificates, tickets and early data, by GnuTLS. */
#include <ctype.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdio.h>
#include <string.h>

#include "server.h"

static const char priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"
                               "+CHACHA20-POLY1305:%DISABLE_TLS13_COMPAT_MODE";

static void check(int result, const char *what) {
  if (result < 0) fail("%s: %s", what, gnutls_strerror(result));
}

/* RFC 8446, 8: what is replayed is refused; here a spec may have all of it taken for replayed. What is older than the
 * server GnuTLS refuses without a word to us: after a restart sessions are taken up again, early data is not.
 */
static int was_seen_before(void *context, time_t until, const gnutls_datum_t *key, const gnutls_datum_t *data) {
  (void)until;
  (void)key;
  (void)data;
  const struct server *server = context;
  return server->refuses_early ? GNUTLS_E_DB_ENTRY_EXISTS : 0;
}

/* RFC 9001, 8.1: without a protocol that both know there is no connection. */
static int client_has_greeted(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                              const gnutls_datum_t *message) {
  (void)type;
  (void)when;
  (void)incoming;
  (void)message;
  gnutls_datum_t chosen;
  return gnutls_alpn_get_selected_protocol(session, &chosen) == 0 ? 0 : GNUTLS_E_NO_APPLICATION_PROTOCOL;
}

static void choose_protocol(gnutls_session_t session, const char *name) {
  gnutls_datum_t alpn = {.data = (unsigned char *)(uintptr_t)name, .size = (unsigned)strlen(name)};
  gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_POST, client_has_greeted);
  check(gnutls_alpn_set_protocols(session, &alpn, 1, GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE), "alpn");
}

static void read_key(const char *hex, uint8_t *key, size_t length, const char *what) {
  if (!hex) {
    check(gnutls_rnd(GNUTLS_RND_RANDOM, key, length), "gnutls_rnd");
    return;
  }
  if (strlen(hex) != 2 * length) fail("%s: %zu hexadecimal digits wanted, got %zu", what, 2 * length, strlen(hex));
  for (size_t i = 0; i < length; i++) {
    unsigned byte;
    if (!isxdigit((unsigned char)hex[2 * i]) || sscanf(hex + 2 * i, "%2x", &byte) != 1)
      fail("%s: not hexadecimal", what);
    key[i] = (uint8_t)byte;
  }
}

/* Those that are out are unknown from now on. */
void tls_forget_tickets(struct server *server) {
  check(gnutls_rnd(GNUTLS_RND_RANDOM, server->ticket_key.data, server->ticket_key.size), "gnutls_rnd");
}

void tls_start(struct server *server) {
  const struct options *options = &server->options;
  static uint8_t ticket_key[TICKET_KEY_LENGTH];
  check(gnutls_certificate_allocate_credentials(&server->credentials), "credentials");
  check(gnutls_certificate_set_x509_key_file(server->credentials, options->certificate, options->key,
                                             GNUTLS_X509_FMT_PEM),
        options->certificate);
  if (options->authority)
    check(gnutls_certificate_set_x509_trust_file(server->credentials, options->authority, GNUTLS_X509_FMT_PEM),
          options->authority);
  check(gnutls_priority_init(&server->priority, priority, NULL), "priority");
  check(gnutls_anti_replay_init(&server->anti_replay), "anti-replay");
  gnutls_anti_replay_set_add_function(server->anti_replay, was_seen_before);
  gnutls_anti_replay_set_ptr(server->anti_replay, server);
  read_key(options->ticket_key, ticket_key, sizeof ticket_key, "--ticket-key");
  read_key(options->reset_key, server->reset_key, sizeof server->reset_key, "--reset-key");
  read_key(NULL, server->token_key, sizeof server->token_key, "token key");
  server->ticket_key = (gnutls_datum_t){.data = ticket_key, .size = sizeof ticket_key};
  server->refuses_early = strcmp(options->tickets, "refused") == 0;
}

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *reference) {
  struct connection *connection = reference->user_data;
  return connection->conn;
}

void tls_open(struct connection *connection) {
  struct server *server = connection->server;
  const struct options *options = &server->options;
  unsigned flags = GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_END_OF_EARLY_DATA;
  bool tickets = strcmp(options->tickets, "off") != 0, early = tickets && strcmp(options->tickets, "resume") != 0;
  if (early) flags |= GNUTLS_ENABLE_EARLY_DATA;
  check(gnutls_init(&connection->session, flags), "gnutls_init");
  gnutls_session_t session = connection->session;
  check(gnutls_priority_set(session, server->priority), "priority");
  if (tickets) check(gnutls_session_ticket_enable_server(session, &server->ticket_key), "tickets");
  if (options->ticket_life) gnutls_db_set_cache_expiration(session, (int)options->ticket_life);
  if (ngtcp2_crypto_gnutls_configure_server_session(session) != 0) fail("ngtcp2 does not take the TLS session");
  if (early) {
    gnutls_anti_replay_enable(session, server->anti_replay);
    check(gnutls_record_set_max_early_data_size(session, 0xffffffffu), "early data"); /* RFC 9001, 4.6.1 */
  }
  connection->reference = (ngtcp2_crypto_conn_ref){.get_conn = conn_of, .user_data = connection};
  gnutls_session_set_ptr(session, &connection->reference);
  check(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server->credentials), "credentials");
  if (options->alpn[0]) choose_protocol(session, options->alpn);
  if (options->authority) {
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_cert(session, NULL, 0);
  }
  ngtcp2_conn_set_tls_native_handle(connection->conn, session);
}
