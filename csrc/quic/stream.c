#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quic/connection.h"
#include "quic/inspect.h"
#include "quic/part.h"

enum {
  STAGGER = 250,        /* ms between two attempts, as for TCP (stream/connect.h) */
  BLOCKED_AFTER = 5000, /* ms in which nothing comes back, at most: the first datagram has been sent three times then */
  LINGER = 1000,        /* ms for what the peer has to say after it has said that it takes nothing any more */
  FAMINE = 100,         /* ms until there may be memory again */
  ROOM = 256 * 1024,    /* bytes taken that the peer has not acknowledged, at most */
};

typedef struct candidate { /* one address */
  hf_quic_address address;
  socklen_t length;
  hf_quic_connection *connection; /* while it is under way */
  char text[64];
} candidate;

typedef struct quic {
  hf_stream stream;
  hf_quic_plan plan;
  hf_quic_connection *chosen; /* the first that was complete; NULL: none yet */
  hf_quic_fifo out, in;
  hf_timer timer; /* while it opens: the next attempt, or the end of hope; then of a famine, the peer's last words, or
                     the patience of a leave */
  hf_task task;   /* to tell of what nothing else will */
  void (*done)(void *owner);
  int64_t hopeless_at;
  hf_quic_end end; /* while it opens: the best of what went wrong; no reason, no code: nothing yet */
  hf_stream_state state;
  bool attends, refused, leaving, heard, lingers;
  size_t next, under_way, count;
  candidate candidates[];
} quic;

static quic *of(const hf_stream *stream) {
  return (quic *)stream;
}

static void tell(quic *q) {
  q->stream.watcher.changed(q->stream.watcher.owner);
}

static void free_connections(quic *q) {
  for (size_t i = 0; i < q->count; i++) {
    hf_quic_connection *one = q->candidates[i].connection;
    if (one && one != q->chosen) hf_quic_connection_free(one);
    q->candidates[i].connection = NULL;
  }
  q->under_way = 0;
}

static void destroy(quic *q) {
  free_connections(q);
  if (q->chosen) hf_quic_connection_free(q->chosen);
  hf_loop_stop(q->plan.loop, &q->timer);
  hf_loop_cancel(q->plan.loop, &q->task);
  hf_quic_fifo_clear(&q->out);
  hf_quic_fifo_clear(&q->in);
  if (q->plan.context) hf_quic_host_there->drop(q->plan.context);
  free(q->plan.host);
  free(q);
}

/* ---- the addresses and their order: as for TCP ---- */

static bool read_address(candidate *to, const char *text, uint16_t port) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
  struct addrinfo *found = NULL;
  snprintf(to->text, sizeof to->text, "%s", text);
  if (getaddrinfo(text, NULL, &hints, &found) != 0) return false;
  to->length = found->ai_addrlen;
  memcpy(&to->address, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  if (to->address.head.sa_family == AF_INET6)
    to->address.v6.sin6_port = htons(port);
  else
    to->address.v4.sin_port = htons(port);
  return true;
}

static void take_turns(candidate *list, size_t count) {
  for (size_t i = 1; i < count; i++) {
    size_t other = i;
    while (other < count && list[other].address.head.sa_family == list[i - 1].address.head.sa_family)
      other++;
    if (other == count) return;
    candidate next = list[other];
    memmove(list + i + 1, list + i, (other - i) * sizeof *list);
    list[i] = next;
  }
}

/* ---- opening ---- */

/* The further an attempt came, the more it tells. */
static int rank(const hf_quic_end *end) {
  if (!end->reason) return 0;
  if (end->reason->source == HF_SOURCE_TLS || end->reason->source == HF_SOURCE_CLIENT) return 4;
  if (end->reason->source == HF_SOURCE_QUIC && end->code == HF_QUIC_BLOCKED) return 2;
  return end->reason->source == HF_SOURCE_QUIC ? 3 : 1;
}

static void note(quic *q, const hf_quic_end *end) {
  if (rank(end) > rank(&q->end)) q->end = *end;
}

static void lose(quic *q, hf_source source, int code, const char *text) {
  hf_quic_end end = {.reason = hf_reason_find(source, code), .code = code};
  snprintf(end.text, sizeof end.text, "%s", text);
  note(q, &end);
  free_connections(q);
  hf_loop_stop(q->plan.loop, &q->timer);
  q->state = HF_STREAM_ENDED;
}

static void changed(hf_quic_connection *connection, void *owner);

static void set_timer(quic *q, bool more) {
  int64_t due = q->hopeless_at, next = q->plan.loop->now + STAGGER;
  hf_loop_set(q->plan.loop, &q->timer, more && next < due ? next : due);
}

/* False: none is under way, and none is left. */
static bool begin_next(quic *q) {
  if (q->next == q->count) {
    set_timer(q, false);
    return q->under_way > 0;
  }
  candidate *one = &q->candidates[q->next++];
  hf_inspect_address(q->plan.inspector, one->text, q->plan.port, true, "tried", NULL);
  /* Only one goes early: what is said to two servers is said twice. */
  one->connection = hf_quic_connection_begin(&q->plan, &one->address, one->length, q->next == 1, changed, q);
  if (one->connection)
    q->under_way++;
  else
    note(q, &(hf_quic_end){.reason = hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY)});
  set_timer(q, q->next < q->count);
  return q->under_way > 0;
}

static void give_up(quic *q) {
  lose(q, HF_SOURCE_NETWORK, HF_NETWORK_CONNECT_FAILED, "there is no address to connect to");
  tell(q);
}

static void fail_attempt(quic *q, candidate *one) {
  hf_quic_end end = one->connection->end;
  hf_inspect_address(q->plan.inspector, one->text, q->plan.port, true, "failed",
                     end.reason ? end.reason->text : end.text);
  if (one->connection->heard) q->heard = true;
  if (q->count > 1) {
    char text[sizeof end.text];
    snprintf(text, sizeof text, "%s: %.130s", one->text, end.text[0] || !end.reason ? end.text : end.reason->text);
    memcpy(end.text, text, sizeof text);
  }
  if (!end.reason) end.reason = hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_CLOSED_BEFORE_CONNACK);
  note(q, &end);
  hf_quic_connection_free(one->connection);
  one->connection = NULL;
  q->under_way--;
  if (!begin_next(q)) give_up(q);
}

static void choose(quic *q, candidate *one) {
  q->chosen = one->connection;
  one->connection = NULL;
  hf_inspect_address(q->plan.inspector, one->text, q->plan.port, true, "connected", NULL);
  free_connections(q);
  hf_loop_stop(q->plan.loop, &q->timer);
  hf_quic_inspect_session(q->chosen);
  hf_quic_connection_adopt(q->chosen);
  q->end = (hf_quic_end){0};
}

static void is_blocked(quic *q) {
  char text[sizeof q->end.text];
  snprintf(text, sizeof text, "%s%s", q->count > 0 ? q->candidates[0].text : "", q->count > 1 ? " and others" : "");
  for (size_t i = 0; i < q->count; i++)
    if (q->candidates[i].connection && q->candidates[i].connection->heard) q->heard = true;
  if (q->heard) return; /* it is slow, but there: the handshake has its own time */
  lose(q, HF_SOURCE_QUIC, HF_QUIC_BLOCKED, text);
  tell(q);
}

/* ---- leaving ---- */

static void leave(quic *q) {
  void (*done)(void *) = q->done;
  void *owner = q->stream.watcher.owner;
  destroy(q);
  if (done) done(owner);
}

/* The peer's end of the stream is awaited, and what comes before it thrown away. */
static void go_on_leaving(quic *q) {
  hf_quic_connection *c = q->chosen;
  uint64_t length = q->in.end - q->in.gone;
  hf_quic_fifo_let_go(&q->in, q->in.end);
  bool heard = c->peer_ended && c->finished && q->out.gone == q->out.end;
  if (c->ended || c->shut || c->reset || heard)
    leave(q);
  else
    hf_quic_connection_taken(c, (size_t)length);
}

/* MQTT has no use for a connection that goes one way. */
static void go_on(quic *q) {
  hf_quic_connection *c = q->chosen;
  if (q->state != HF_STREAM_OPEN) return;
  if (c->shut && !c->peer_ended) c->reset = c->peer_ended = true;
  tell(q);
}

static void fire(hf_timer *timer, int64_t now) {
  quic *q = (quic *)((char *)timer - offsetof(quic, timer));
  if (q->leaving)
    leave(q);
  else if (q->chosen)
    go_on(q);
  else if (now >= q->hopeless_at)
    is_blocked(q);
  else if (!begin_next(q))
    give_up(q);
}

static void run(hf_task *task) {
  quic *q = (quic *)((char *)task - offsetof(quic, task));
  if (q->leaving)
    leave(q);
  else if (q->state == HF_STREAM_OPENING && !q->chosen && !begin_next(q))
    give_up(q);
  else
    tell(q);
}

static void finish(hf_stream *stream, uint32_t patience, void (*done)(void *owner)) {
  quic *q = of(stream);
  q->done = done;
  q->leaving = true;
  q->plan.vault = (hf_stream_vault){0};
  free_connections(q);
  if (q->state != HF_STREAM_OPEN || q->chosen->ended || q->chosen->shut) {
    hf_loop_later(q->plan.loop, &q->task);
    return;
  }
  hf_loop_cancel(q->plan.loop, &q->task);
  hf_quic_connection_finish(q->chosen);
  hf_loop_set(q->plan.loop, &q->timer, q->plan.loop->now + patience);
}

static void abort_now(hf_stream *stream) {
  destroy(of(stream));
}

/* ---- what a connection tells ---- */

static void tell_open(quic *q) {
  hf_quic_connection *c = q->chosen;
  if (q->state == HF_STREAM_OPENING && hf_quic_connection_is_open(c)) {
    q->state = HF_STREAM_OPEN;
    tell(q);
    return;
  }
  if (q->state == HF_STREAM_OPENING && c->ended) {
    q->end = c->end;
    q->state = HF_STREAM_ENDED;
    tell(q);
    return;
  }
  if (c->shut && !c->peer_ended && !q->lingers) {
    q->lingers = true;
    hf_loop_set(q->plan.loop, &q->timer, q->plan.loop->now + LINGER);
  }
  bool room = q->refused && q->out.end - q->out.gone < ROOM;
  if (room) q->refused = false;
  bool readable = q->in.end > q->in.gone || c->peer_ended;
  if (room || c->ended || (readable && q->attends)) tell(q);
}

static void changed(hf_quic_connection *c, void *owner) {
  quic *q = owner;
  if (q->leaving && q->chosen) {
    go_on_leaving(q);
    return;
  }
  if (c == q->chosen) {
    tell_open(q);
    return;
  }
  for (size_t i = 0; i < q->count; i++) {
    candidate *one = &q->candidates[i];
    if (one->connection != c) continue;
    if (c->ended) {
      fail_attempt(q, one);
    } else if (c->shaken) {
      choose(q, one);
      tell_open(q);
    }
    return;
  }
}

/* ---- what the owner calls ---- */

static hf_stream_state state(const hf_stream *stream) {
  const quic *q = of(stream);
  bool lost = q->state == HF_STREAM_OPEN && !q->attends && (q->chosen->ended || q->chosen->peer_ended);
  return lost ? HF_STREAM_ENDED : q->state;
}

static hf_phase phase(const hf_stream *stream) {
  const quic *q = of(stream);
  bool heard = q->heard || q->chosen;
  for (size_t i = 0; i < q->count; i++)
    heard = heard || (q->candidates[i].connection && q->candidates[i].connection->heard);
  return heard ? HF_PHASE_TLS : HF_PHASE_QUIC;
}

static void end(const hf_stream *stream, hf_stream_end *how) {
  const quic *q = of(stream);
  const hf_quic_end *why = q->chosen && q->chosen->ended ? &q->chosen->end : &q->end;
  *how = (hf_stream_end){.reason = why->reason, .code = why->code};
  snprintf(how->text, sizeof how->text, "%s", why->text);
  if (q->chosen && !q->chosen->ended && q->chosen->reset)
    how->reason = hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_RESET);
}

static ptrdiff_t read_some(hf_stream *stream, void *buffer, size_t room) {
  quic *q = of(stream);
  if (q->state == HF_STREAM_ENDED) return -1;
  if (q->state == HF_STREAM_OPENING) return 0;
  size_t got = hf_quic_fifo_take(&q->in, buffer, room);
  hf_quic_connection_taken(q->chosen, got);
  if (got > 0 || !(q->chosen->ended || q->chosen->peer_ended)) return (ptrdiff_t)got;
  q->state = HF_STREAM_ENDED;
  return -1;
}

static bool pending(const hf_stream *stream) {
  const quic *q = of(stream);
  return q->state == HF_STREAM_OPEN && (q->in.end > q->in.gone || q->chosen->ended || q->chosen->peer_ended);
}

static size_t write_some(hf_stream *stream, const void *bytes, size_t length) {
  quic *q = of(stream);
  if (q->state != HF_STREAM_OPEN || q->chosen->ended || q->chosen->shut || length == 0) return 0;
  uint64_t waits = q->out.end - q->out.gone;
  size_t room = waits < ROOM ? (size_t)(ROOM - waits) : 0;
  size_t done = hf_quic_fifo_add(&q->out, bytes, length < room ? length : room);
  if (done < length) q->refused = true;
  if (done < length && done < room) hf_loop_set(q->plan.loop, &q->timer, q->plan.loop->now + FAMINE);
  hf_quic_connection_write_soon(q->chosen);
  return done;
}

static void attend(hf_stream *stream, bool readable) {
  quic *q = of(stream);
  q->attends = readable;
  if (readable && pending(stream)) hf_loop_later(q->plan.loop, &q->task);
}

/* Of the stream alone: its bytes are those whose sender is sure. */
static void progress(hf_stream *stream, hf_stream_progress *how) {
  const quic *q = of(stream);
  *how = (hf_stream_progress){.received = q->in.end,
                              .accepted = q->out.given,
                              .acknowledged = q->out.gone,
                              .unacknowledged = q->out.given > q->out.gone,
                              .holds = q->out.end > q->out.given};
  how->probing = q->chosen && q->chosen->blocked && hf_quic_connection_asks(q->chosen);
  if (q->chosen && (how->unacknowledged || how->probing)) how->quiet_for = q->plan.loop->now - q->chosen->waits_since;
}

/* RFC 9266; TLS is 1.3 here, always (RFC 9001 section 4.2). */
static bool bind_to(const hf_stream *stream, unsigned char *binding) {
  static const char label[] = "EXPORTER-Channel-Binding";
  const quic *q = of(stream);
  return q->state == HF_STREAM_OPEN && gnutls_prf_rfc5705(q->chosen->session, sizeof label - 1, label, 0, "",
                                                          HF_STREAM_BINDING, (char *)binding) == 0;
}

static void moved(hf_stream *stream) {
  const quic *q = of(stream);
  if (q->state == HF_STREAM_OPEN) hf_quic_connection_move(q->chosen);
}

static void find_path(const hf_stream *stream, hf_stream_path *path) {
  const quic *q = of(stream);
  *path = (hf_stream_path){.road = HF_ROAD_QUIC, HF_STREAM_PATH_UNKNOWN};
  if (q->chosen) hf_quic_connection_path(q->chosen, path);
}

static const hf_stream_operations operations = {.state = state,
                                                .phase = phase,
                                                .end = end,
                                                .read = read_some,
                                                .pending = pending,
                                                .write = write_some,
                                                .attend = attend,
                                                .progress = progress,
                                                .finish = finish,
                                                .abort = abort_now,
                                                .bind = bind_to,
                                                .moved = moved,
                                                .path = find_path};

static bool is_address(const char *host) {
  unsigned char address[16];
  return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool make_plan(quic *q, const hf_stream_target *target) {
  size_t length = strlen(target->host);
  hf_quic_plan *plan = &q->plan;
  plan->host = strdup(target->host);
  if (!plan->host) return false;
  if (strchr(plan->host, ':'))
    plan->host[strcspn(plan->host, "%")] = '\0';
  else if (length > 1 && plan->host[length - 1] == '.')
    plan->host[length - 1] = '\0';
  plan->is_address = is_address(plan->host);
  plan->context = hf_quic_host_there->hold(target->tls);
  plan->half = hf_quic_host_there->half(target->tls);
  plan->patience = target->patience;
  plan->quiet = target->quiet;
  plan->inspector = target->inspector;
  plan->port = target->port;
  if (target->vault.look && hf_quic_host_there->fingerprint(plan->context, plan->host, plan->port, plan->key))
    plan->vault = target->vault;
  plan->out = &q->out;
  plan->in = &q->in;
  return hf_quic_fifo_add(&q->out, target->first.data, target->first.length) == target->first.length;
}

hf_stream *hf_quic_stream_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  quic *q = calloc(1, sizeof *q + target->address_count * sizeof(candidate));
  if (!q) return NULL;
  uint32_t hope = target->patience ? target->patience - target->patience / 10 : BLOCKED_AFTER;
  *q = (quic){.stream = {.operations = &operations, .watcher = watcher, .took_first = target->first.length > 0},
              .plan = {.loop = loop},
              .timer = {.fire = fire},
              .task = {.run = run},
              .hopeless_at = loop->now + (hope < BLOCKED_AFTER ? hope : BLOCKED_AFTER),
              .attends = true};
  if (!make_plan(q, target)) {
    destroy(q);
    return NULL;
  }
  for (size_t i = 0; i < target->address_count; i++)
    if (read_address(&q->candidates[q->count], target->addresses[i], target->port)) q->count++;
  take_turns(q->candidates, q->count);
  hf_loop_later(loop, &q->task);
  return &q->stream;
}
