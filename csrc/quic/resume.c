/* Coming back: the session of before that a handshake offers, what goes out before it is complete, and the ticket that
 * is kept for the next time. */
#define _DEFAULT_SOURCE
#include <string.h>

#include "quic/connection.h"
#include "quic/part.h"
#include "sys/clock.h"

enum {
  LONGEST = 604800, /* seconds that a ticket is good for (RFC 8446 section 4.6.1) */
  EARLY_DATA = 42,  /* the extension (RFC 8446 section 4.2.10) */
};

static const uint32_t FOR_QUIC = 0xFFFFFFFF; /* what it says there (RFC 9001 section 4.6.1) */

/* ---- what there is ---- */

/* GnuTLS verifies nothing when a session is taken up again, so the chain of then is looked at again now, with the clock
 * and the lists of now, before anything is sent to whoever answers. And with a ticket that comes from the future, as
 * after a clock has been set back, its handshake fails. */
static bool is_fine(const hf_quic_connection *c, const hf_quic_ticket *ticket) {
  hf_tls_problem problem;
  int64_t now = hf_clock_wall_ms();
  return ticket->came <= now && ticket->expires > now &&
         hf_quic_host_there->judge(c->plan->context, ticket->chain, ticket->chain_length, c->plan->host, &problem);
}

void hf_quic_forget_tickets(const hf_quic_connection *c) {
  const hf_quic_plan *plan = c->plan;
  hf_quic_tickets_forget(&plan->half->tickets, plan->host, plan->port);
  if (plan->vault.keep) plan->vault.keep(plan->vault.owner, plan->key, (hf_bytes){0});
}

void hf_quic_drop_ticket(hf_quic_connection *c, hf_quic_ticket *ticket) {
  hf_quic_forget_tickets(c);
  hf_quic_ticket_free(c->ticket);
  c->ticket = (hf_bytes){0};
  *ticket = (hf_quic_ticket){0};
}

bool hf_quic_choose_ticket(hf_quic_connection *c, hf_quic_ticket *ticket) {
  const hf_quic_plan *plan = c->plan;
  c->ticket = hf_quic_tickets_take(&plan->half->tickets, plan->host, plan->port);
  if (!c->ticket.data && plan->vault.look) c->ticket = plan->vault.look(plan->vault.owner, plan->key);
  if (c->ticket.data && hf_quic_ticket_read(c->ticket, ticket) && is_fine(c, ticket)) return true;
  if (c->ticket.data)
    hf_quic_drop_ticket(c, ticket);
  else
    *ticket = (hf_quic_ticket){0};
  return false;
}

/* ---- before the handshake is complete ---- */

static void set_limits(ngtcp2_transport_params *params, const uint64_t *limits) {
  params->initial_max_data = limits[HF_QUIC_LIMIT_DATA];
  params->initial_max_stream_data_bidi_remote = limits[HF_QUIC_LIMIT_STREAM_DATA];
  params->initial_max_stream_data_bidi_local = limits[HF_QUIC_LIMIT_THEIR_STREAM_DATA];
  params->initial_max_stream_data_uni = limits[HF_QUIC_LIMIT_ONE_WAY_STREAM_DATA];
  params->initial_max_streams_bidi = limits[HF_QUIC_LIMIT_STREAMS];
  params->initial_max_streams_uni = limits[HF_QUIC_LIMIT_ONE_WAY_STREAMS];
  params->active_connection_id_limit = limits[HF_QUIC_LIMIT_CONNECTION_IDS];
}

static void read_limits(const ngtcp2_transport_params *params, uint64_t *limits) {
  limits[HF_QUIC_LIMIT_DATA] = params->initial_max_data;
  limits[HF_QUIC_LIMIT_STREAM_DATA] = params->initial_max_stream_data_bidi_remote;
  limits[HF_QUIC_LIMIT_THEIR_STREAM_DATA] = params->initial_max_stream_data_bidi_local;
  limits[HF_QUIC_LIMIT_ONE_WAY_STREAM_DATA] = params->initial_max_stream_data_uni;
  limits[HF_QUIC_LIMIT_STREAMS] = params->initial_max_streams_bidi;
  limits[HF_QUIC_LIMIT_ONE_WAY_STREAMS] = params->initial_max_streams_uni;
  limits[HF_QUIC_LIMIT_CONNECTION_IDS] = params->active_connection_id_limit;
}

bool hf_quic_may_go_early(const hf_quic_connection *c, const hf_quic_ticket *ticket) {
  return ticket->takes_early && c->plan->out->end > 0 && ticket->limits[HF_QUIC_LIMIT_STREAMS] > 0;
}

bool hf_quic_go_early(hf_quic_connection *c, const hf_quic_ticket *ticket) {
  ngtcp2_transport_params before;
  ngtcp2_transport_params_default(&before);
  set_limits(&before, ticket->limits);
  ngtcp2_conn_set_early_remote_transport_params(c->conn, &before);
  if (!hf_quic_open_stream(c)) return false;
  c->out = c->plan->out;
  c->in = c->plan->in;
  c->early = HF_STREAM_EARLY_OFFERED;
  return true;
}

/* ---- the handshake is complete ---- */

/* RFC 9000 section 7.4.1 and RFC 8446 section 4.2.10: who accepts keeps to what it said then. */
static bool keeps_its_word(const hf_quic_connection *c) {
  hf_quic_ticket then;
  uint64_t now[HF_QUIC_LIMITS];
  gnutls_datum_t protocol;
  if (!hf_quic_ticket_read(c->ticket, &then)) return false;
  read_limits(ngtcp2_conn_get_remote_transport_params(c->conn), now);
  for (size_t i = 0; i < HF_QUIC_LIMITS; i++)
    if (now[i] < then.limits[i]) return false;
  return gnutls_alpn_get_selected_protocol(c->session, &protocol) == 0 && protocol.size == then.protocol.length &&
         memcmp(protocol.data, then.protocol.data, protocol.size) == 0;
}

/* Nothing of what went early has arrived: all of it goes again, by a stream that is opened anew. */
static int go_again(hf_quic_connection *c) {
  c->early = HF_STREAM_EARLY_REJECTED;
  c->id = -1;
  hf_quic_fifo_give_again(c->out);
  return ngtcp2_conn_early_data_rejected(c->conn);
}

static int settle_early(hf_quic_connection *c) {
  if (c->early != HF_STREAM_EARLY_OFFERED) return 0;
  if (!(gnutls_session_get_flags(c->session) & GNUTLS_SFLAGS_EARLY_DATA)) return go_again(c);
  c->early = HF_STREAM_EARLY_ACCEPTED;
  if (keeps_its_word(c)) return 0;
  hf_quic_end_with(c, HF_SOURCE_QUIC, HF_QUIC_FAILED, "the server allows less than when it gave the ticket");
  return NGTCP2_ERR_CALLBACK_FAILURE;
}

int hf_quic_look_back(hf_quic_connection *c) {
  c->resumed = gnutls_session_is_resumed(c->session) != 0;
  int error = settle_early(c);
  hf_quic_ticket_free(c->ticket);
  c->ticket = (hf_bytes){0};
  return error;
}

/* ---- for the next time ---- */

static uint32_t number_at(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The place behind what has its length in `size` bytes in front; the end, if there is no such place. */
static size_t behind(const gnutls_datum_t *message, size_t at, size_t size) {
  size_t length = 0;
  if (at + size > message->size) return message->size;
  for (size_t i = 0; i < size; i++)
    length = length << 8 | message->data[at + i];
  return length > message->size - at - size ? message->size : at + size + length;
}

/* Whether a NewSessionTicket allows early data: behind its nonce and the ticket itself are the extensions. */
static bool allows_early(const gnutls_datum_t *message) {
  size_t at = behind(message, behind(message, 8, 1), 2) + 2;
  while (at + 4 <= message->size) {
    size_t next = behind(message, at + 2, 2);
    unsigned type = (unsigned)message->data[at] << 8 | message->data[at + 1];
    if (type == EARLY_DATA) return next == at + 8 && number_at(message->data + at + 4) == FOR_QUIC;
    at = next;
  }
  return false;
}

static void take_chain(const hf_quic_connection *c, hf_quic_ticket *ticket) {
  unsigned count = 0;
  const gnutls_datum_t *shown = gnutls_certificate_get_peers(c->session, &count);
  for (unsigned i = 0; shown && i < count && i < HF_QUIC_CHAIN; i++)
    ticket->chain[ticket->chain_length++] = (hf_bytes){(const char *)shown[i].data, shown[i].size};
}

/* Before GnuTLS has read it, which takes bytes away. */
void hf_quic_read_ticket(hf_quic_connection *c, const gnutls_datum_t *message) {
  c->life = message->size > 8 ? number_at(message->data) : 0;
  if (c->life > LONGEST) c->life = LONGEST;
  c->allows_early = c->life && allows_early(message);
}

/* Without memory it is let go, which costs a whole handshake. */
void hf_quic_keep_ticket(hf_quic_connection *c) {
  const hf_quic_plan *plan = c->plan;
  gnutls_datum_t session = {NULL, 0}, protocol = {NULL, 0};
  if (c->life == 0 || gnutls_alpn_get_selected_protocol(c->session, &protocol) < 0 ||
      gnutls_session_get_data2(c->session, &session) < 0)
    return;
  int64_t now = hf_clock_wall_ms();
  hf_quic_ticket ticket = {.came = now,
                           .expires = now + (int64_t)c->life * 1000,
                           .protocol = {(const char *)protocol.data, protocol.size},
                           .session = {(const char *)session.data, session.size},
                           .takes_early = c->allows_early};
  read_limits(ngtcp2_conn_get_remote_transport_params(c->conn), ticket.limits);
  take_chain(c, &ticket);
  const hf_bytes packed = hf_quic_ticket_pack(&ticket);
  if (packed.data && plan->vault.keep) plan->vault.keep(plan->vault.owner, plan->key, packed);
  hf_quic_tickets_put(&plan->half->tickets, plan->host, plan->port, packed);
  explicit_bzero(session.data, session.size);
  gnutls_free(session.data);
}
