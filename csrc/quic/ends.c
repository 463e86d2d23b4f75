/* Why a connection has ended, in the words that all roads have in common. */
#include <stdio.h>
#include <string.h>

#include "quic/connection.h"

enum { LARGEST = 1500, ALERT_OF_TLS = 0x100 /* RFC 9001 section 4.8 */, LAST_OWN = 0x10 /* RFC 9000 section 20.1 */ };

void hf_quic_end_with(hf_quic_connection *c, hf_source source, int code, const char *text) {
  if (c->ended) return;
  c->ended = c->news = true;
  c->end.reason = hf_reason_find(source, code);
  c->end.code = code;
  if (text != c->end.text) snprintf(c->end.text, sizeof c->end.text, "%s", text);
  if (c->heard && (source == HF_SOURCE_TLS || (source == HF_SOURCE_QUIC && !c->shaken))) hf_quic_forget_tickets(c);
  hf_loop_stop(c->plan->loop, &c->timer);
}

static void end_well(hf_quic_connection *c) {
  hf_quic_end_with(c, HF_SOURCE_QUIC, 0, "");
  c->end.reason = NULL;
}

/* One datagram, that may get lost; the peer then finds out by its own idle timeout. */
void hf_quic_say_goodbye(hf_quic_connection *c, const ngtcp2_connection_close_error *why) {
  uint8_t buffer[LARGEST];
  ngtcp2_path_storage way;
  ngtcp2_path_storage_zero(&way);
  if (!c->conn || c->latest->watch.descriptor < 0) return;
  ngtcp2_ssize length =
      ngtcp2_conn_write_connection_close(c->conn, &way.path, NULL, buffer, sizeof buffer, why, hf_quic_now());
  if (length > 0) hf_quic_socket_send(hf_quic_socket_at(c, &way.path.local), buffer, (size_t)length);
}

/* ---- what the peer says ---- */

static hf_tls_code code_of_alert(unsigned alert, bool asked) {
  switch (alert) {
  case GNUTLS_A_PROTOCOL_VERSION:
    return HF_TLS_VERSION;
  case GNUTLS_A_HANDSHAKE_FAILURE:
    return asked ? HF_TLS_CLIENT_CERTIFICATE : HF_TLS_HANDSHAKE;
  case GNUTLS_A_BAD_CERTIFICATE:
  case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
  case GNUTLS_A_CERTIFICATE_REVOKED:
  case GNUTLS_A_CERTIFICATE_EXPIRED:
  case GNUTLS_A_CERTIFICATE_UNKNOWN:
  case GNUTLS_A_UNKNOWN_CA:
  case GNUTLS_A_ACCESS_DENIED:
  case GNUTLS_A_DECRYPT_ERROR:
  case GNUTLS_A_CERTIFICATE_REQUIRED:
    return HF_TLS_CLIENT_CERTIFICATE;
  default:
    return HF_TLS_HANDSHAKE;
  }
}

static bool was_asked(const hf_quic_connection *c) {
  return gnutls_certificate_client_get_request_status(c->session) != 0 && !c->plan->half->has_own;
}

static void end_by_alert(hf_quic_connection *c, unsigned alert) {
  const char *name = gnutls_alert_get_name((gnutls_alert_description_t)alert);
  char text[sizeof c->end.text];
  if (name)
    snprintf(text, sizeof text, "TLS alert: %.100s", name);
  else
    snprintf(text, sizeof text, "TLS alert %u", alert);
  hf_quic_end_with(c, HF_SOURCE_TLS, code_of_alert(alert, was_asked(c)), text);
}

/* Its words, of one line and without what could upset a terminal. */
static void quote(char *to, size_t room, const ngtcp2_connection_close_error *why, const char *kind) {
  int used = snprintf(to, room, "%s 0x%llx", kind, (unsigned long long)why->error_code);
  size_t at = (size_t)used;
  if (why->reasonlen > 0 && at + 3 < room) {
    memcpy(to + at, ": ", 2);
    at += 2;
  }
  for (size_t i = 0; i < why->reasonlen && at + 1 < room; i++) {
    uint8_t byte = why->reason[i];
    to[at++] = byte < ' ' || byte >= 0x7F ? ' ' : (char)byte;
  }
  to[at] = '\0';
}

static void end_by_peer(hf_quic_connection *c) {
  ngtcp2_connection_close_error why;
  char text[sizeof c->end.text];
  ngtcp2_connection_close_error_default(&why);
  ngtcp2_conn_get_connection_close_error(c->conn, &why);
  bool of_transport = why.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_TRANSPORT;
  quote(text, sizeof text, &why, of_transport ? "QUIC error" : "application error");
  if (of_transport && why.error_code >= ALERT_OF_TLS && why.error_code < 2 * ALERT_OF_TLS)
    end_by_alert(c, (unsigned)(why.error_code - ALERT_OF_TLS));
  else if (why.error_code == 0 && c->shaken)
    end_well(c);
  else
    hf_quic_end_with(c, HF_SOURCE_QUIC, of_transport && why.error_code <= LAST_OWN ? (int)why.error_code : 0, text);
}

/* ---- what we say ---- */

static void tell_peer(hf_quic_connection *c, int error) {
  ngtcp2_connection_close_error why;
  ngtcp2_connection_close_error_default(&why);
  if (error == NGTCP2_ERR_CRYPTO)
    ngtcp2_connection_close_error_set_transport_error_tls_alert(&why, ngtcp2_conn_get_tls_alert(c->conn), NULL, 0);
  else
    ngtcp2_connection_close_error_set_transport_error_liberr(&why, error, NULL, 0);
  hf_quic_say_goodbye(c, &why);
}

static void end_by_tls(hf_quic_connection *c) {
  const hf_tls_problem *found = &c->distrust;
  int error = ngtcp2_conn_get_tls_error(c->conn);
  const char *name = gnutls_alert_get_name((gnutls_alert_description_t)ngtcp2_conn_get_tls_alert(c->conn));
  if (found->reason)
    hf_quic_end_with(c, (hf_source)found->reason->source, found->reason->code, found->text);
  else if (error == GNUTLS_E_NO_APPLICATION_PROTOCOL)
    hf_quic_end_with(c, HF_SOURCE_TLS, HF_TLS_HANDSHAKE, "the server chose no protocol by ALPN");
  else
    hf_quic_end_with(c, HF_SOURCE_TLS, HF_TLS_HANDSHAKE, error ? gnutls_strerror(error) : name ? name : "");
}

void hf_quic_fail(hf_quic_connection *c, int error) {
  if (c->ended) return;
  switch (c->starved ? NGTCP2_ERR_NOMEM : error) {
  case NGTCP2_ERR_DRAINING:
    end_by_peer(c);
    return;
  case NGTCP2_ERR_IDLE_CLOSE:
    hf_quic_end_with(c, HF_SOURCE_QUIC, HF_QUIC_IDLE_TIMEOUT, "");
    return;
  case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
    hf_quic_end_with(c, HF_SOURCE_NETWORK, HF_NETWORK_TIMED_OUT, "the handshake took too long");
    return;
  case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    hf_quic_end_with(c, HF_SOURCE_QUIC, HF_QUIC_VERSION, c->end.text);
    return;
  case NGTCP2_ERR_NOMEM:
    tell_peer(c, NGTCP2_ERR_NOMEM);
    hf_quic_end_with(c, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "");
    return;
  case NGTCP2_ERR_CRYPTO:
    tell_peer(c, error);
    end_by_tls(c);
    return;
  default:
    tell_peer(c, error);
    hf_quic_end_with(c, HF_SOURCE_QUIC, HF_QUIC_FAILED, ngtcp2_strerror(error));
  }
}
