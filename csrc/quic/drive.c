/* Datagrams in and out, and time. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quic/connection.h"
#include "sys/tcp_socket.h"

enum {
  DATAGRAM = 1500, /* bytes of the largest that we send */
  LARGEST = 65536, /* and receive */
  BURST = 64,      /* datagrams sent or read at once, at most; the rest has its turn after others */
  PIECES = 16,     /* of the fifo, looked at for one datagram */
  ASK = 500,       /* ms until a peer whose window is shut is asked whether it lives, and again after its answer */
  GONE = 3,        /* refusals in a row, after which nobody listens there any more */
};

static uint8_t incoming[LARGEST]; /* of whoever turns the loop */

/* ---- out ---- */

static void send_held(hf_quic_connection *c) {
  if (!c->held || hf_quic_socket_send(c->held_by, c->held, c->held_length) == EAGAIN) return;
  free(c->held);
  c->held = NULL;
  hf_pollset_change(c->plan->loop->pollset, &c->held_by->watch, HF_POLL_READ);
}

/* What the system has no room for waits, or without memory is lost as on the way. */
static void hold(hf_quic_connection *c, hf_quic_socket *by, const uint8_t *datagram, size_t length) {
  c->held = malloc(length);
  if (!c->held) return;
  memcpy(c->held, datagram, length);
  c->held_length = length;
  c->held_by = by;
  hf_pollset_change(c->plan->loop->pollset, &by->watch, HF_POLL_READ | HF_POLL_WRITE);
}

static void note_given(hf_quic_connection *c, size_t count) {
  if (c->out->given == c->out->gone) c->waits_since = c->plan->loop->now;
  c->out->given += count;
}

/* One datagram into `buffer`; its length, 0: there is nothing to say or it may not be said now, < 0: an error. */
static ngtcp2_ssize make(hf_quic_connection *c, ngtcp2_path *way, uint8_t *buffer, bool *with_stream) {
  hf_bytes pieces[PIECES];
  ngtcp2_vec parts[PIECES];
  size_t count = 0, total = 0;
  bool last = false;
  if (*with_stream && c->out && c->id >= 0 && !c->shut && !c->finished) {
    count = hf_quic_fifo_rest(c->out, pieces, PIECES);
    for (size_t i = 0; i < count; i++) {
      parts[i] = (ngtcp2_vec){(uint8_t *)pieces[i].data, pieces[i].length};
      total += pieces[i].length;
    }
    last = c->finishes && c->out->given + total == c->out->end;
  }
  ngtcp2_ssize taken = -1;
  int64_t id = count || last ? c->id : -1;
  hf_quic_writing = c;
  ngtcp2_ssize length = ngtcp2_conn_writev_stream(c->conn, way, NULL, buffer, DATAGRAM, &taken,
                                                  last ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE,
                                                  id, parts, count, hf_quic_now());
  hf_quic_writing = NULL;
  if (c->sent.reset && !c->shut) c->shut = c->news = true; /* the peer wants no more (STOP_SENDING) */
  if (length == NGTCP2_ERR_STREAM_DATA_BLOCKED || length == NGTCP2_ERR_STREAM_SHUT_WR ||
      length == NGTCP2_ERR_STREAM_NOT_FOUND) {
    *with_stream = false;
    if (length == NGTCP2_ERR_STREAM_SHUT_WR) c->shut = c->news = true; /* likewise */
    return make(c, way, buffer, with_stream);
  }
  if (taken > 0) note_given(c, (size_t)taken);
  if (last && taken >= 0 && (size_t)taken == total) c->finished = true;
  return length;
}

static void set_timer(hf_quic_connection *c) {
  ngtcp2_tstamp due = ngtcp2_conn_get_expiry(c->conn);
  bool never = due / NGTCP2_MILLISECONDS >= INT64_MAX / 2;
  hf_loop_set(c->plan->loop, &c->timer, never ? INT64_MAX : (int64_t)(due / NGTCP2_MILLISECONDS) + 1);
}

static uint64_t in_flight(const hf_quic_connection *c) {
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(c->conn, &stat);
  return stat.bytes_in_flight;
}

void hf_quic_connection_path(const hf_quic_connection *c, hf_stream_path *path) {
  ngtcp2_conn_stat stat;
  path->sent = c->sent.packets;
  path->retransmitted = c->sent.again;
  path->moves = c->moves;
  path->early = c->early;
  path->tls = true;
  path->resumed = c->resumed;
  if (!c->conn) return;
  ngtcp2_conn_get_conn_stat(c->conn, &stat);
  if (stat.min_rtt == UINT64_MAX) return; /* no sample yet */
  path->rtt = stat.smoothed_rtt / NGTCP2_MICROSECONDS;
  path->rtt_least = stat.min_rtt / NGTCP2_MICROSECONDS;
  path->rtt_variance = stat.rttvar / NGTCP2_MICROSECONDS;
}

bool hf_quic_connection_asks(const hf_quic_connection *c) {
  return !c->ended && in_flight(c) > 0;
}

/* Where a window is shut nothing of the stream is on its way whose acknowledgement could fail to come: the peer is
 * asked all the same, as TCP does. */
static void look_after_window(hf_quic_connection *c) {
  bool blocked = c->out && c->id >= 0 && c->out->end > c->out->given && c->out->given == c->out->gone;
  if (blocked == c->blocked) return;
  c->blocked = blocked;
  ngtcp2_conn_set_keep_alive_timeout(
      c->conn, blocked && c->keep_alive > ASK * NGTCP2_MILLISECONDS ? ASK * NGTCP2_MILLISECONDS : c->keep_alive);
}

void hf_quic_connection_write(hf_quic_connection *c) {
  uint8_t buffer[DATAGRAM];
  bool with_stream = true;
  if (c->ended) return;
  bool asked = in_flight(c) > 0;
  send_held(c);
  for (int i = 0; !c->held; i++) {
    if (i == BURST) {
      hf_loop_later(c->plan->loop, &c->task);
      break;
    }
    ngtcp2_path_storage way;
    ngtcp2_path_storage_zero(&way);
    ngtcp2_ssize length = make(c, &way.path, buffer, &with_stream);
    if (length < 0) {
      hf_quic_fail(c, (int)length);
      return;
    }
    if (length == 0) break;
    hf_quic_socket *by = hf_quic_socket_at(c, &way.path.local);
    int error = hf_quic_socket_send(by, buffer, (size_t)length);
    if (error == EAGAIN)
      hold(c, by, buffer, (size_t)length);
    else if (error)
      hf_quic_fail_system(c, error);
    if (c->ended) return;
  }
  look_after_window(c);
  if (c->blocked && !asked) c->waits_since = c->plan->loop->now;
  set_timer(c);
}

void hf_quic_connection_write_soon(hf_quic_connection *c) {
  hf_loop_later(c->plan->loop, &c->task);
}

void hf_quic_connection_taken(hf_quic_connection *c, size_t length) {
  if (c->ended || length == 0) return;
  ngtcp2_conn_extend_max_offset(c->conn, length);
  if (!c->closed) ngtcp2_conn_extend_max_stream_offset(c->conn, c->id, length);
  hf_quic_connection_write_soon(c);
}

void hf_quic_connection_finish(hf_quic_connection *c) {
  c->finishes = true;
  hf_quic_connection_write_soon(c);
}

/* ---- in, and time: what the loop calls ---- */

/* The owner may free the connection in it: nothing comes after this. */
static void tell(hf_quic_connection *c) {
  bool news = c->news || c->ended;
  c->news = false;
  if (news) c->changed(c, c->owner);
}

static void read_one(hf_quic_connection *c, hf_quic_socket *from, size_t length) {
  const ngtcp2_path path = hf_quic_path_of(from);
  c->refusals = 0;
  c->heard = true;
  int error = ngtcp2_conn_read_pkt(c->conn, &path, NULL, incoming, length, hf_quic_now());
  if (error && !c->ended) hf_quic_fail(c, error);
}

static void read_all(hf_quic_connection *c, hf_quic_socket *from) {
  for (int i = 0; i < BURST && !c->ended; i++) {
    ssize_t got = hf_quic_socket_receive(from, incoming, sizeof incoming);
    if (got == 0) return;
    if (got > 0)
      read_one(c, from, (size_t)got);
    else
      hf_quic_fail_system(c, errno);
  }
}

void hf_quic_ready(hf_watch *watch, unsigned events) {
  hf_quic_socket *from = (hf_quic_socket *)((char *)watch - offsetof(hf_quic_socket, watch));
  hf_quic_connection *c = from->owner;
  if (c->ended) return;
  if (events & (HF_POLL_READ | HF_POLL_FAILED)) read_all(c, from);
  hf_quic_connection_write(c);
  hf_quic_look_after_sockets(c);
  tell(c);
}

void hf_quic_fire(hf_timer *timer, int64_t now) {
  hf_quic_connection *c = (hf_quic_connection *)((char *)timer - offsetof(hf_quic_connection, timer));
  (void)now;
  if (c->ended) return;
  int error = ngtcp2_conn_handle_expiry(c->conn, hf_quic_now());
  if (error) hf_quic_fail(c, error);
  hf_quic_connection_write(c);
  hf_quic_look_after_sockets(c);
  tell(c);
}

void hf_quic_run(hf_task *task) {
  hf_quic_connection *c = (hf_quic_connection *)((char *)task - offsetof(hf_quic_connection, task));
  hf_quic_connection_write(c);
  hf_quic_look_after_sockets(c);
  tell(c);
}

/* What the system says of one datagram is not the end of a connection that is open: others may get through. Where
 * nobody listens any more it says so each time. */
void hf_quic_fail_system(hf_quic_connection *c, int error) {
  char words[80];
  bool refused = error == ECONNREFUSED;
  if (c->confirmed && !refused) c->stranded = true;
  if (c->heard && !(refused && ++c->refusals >= GONE)) return;
  const char *said = strerror_r(error, words, sizeof words);
  if (c->heard)
    hf_quic_end_with(c, HF_SOURCE_NETWORK, HF_NETWORK_RESET, "nobody listens at the server's port any more");
  else if (refused)
    hf_quic_end_with(c, HF_SOURCE_QUIC, HF_QUIC_REFUSED, "nobody listens at the server's port");
  else
    hf_quic_end_with(c, HF_SOURCE_NETWORK, hf_socket_reason(error), said);
}
