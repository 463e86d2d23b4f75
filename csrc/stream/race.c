#include "stream/race.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/connect.h"
#include "stream/quic.h"
#include "stream/tcp.h"
#include "stream/tls_context.h"
#include "stream/tls_stream.h"

typedef struct race race;

typedef struct lane { /* one of the two roads */
  race *race;
  hf_stream *stream; /* while it is under way, and for good if it has won */
  const hf_reason *reason;
  int code;
  hf_phase phase; /* that it had reached when it was over */
  hf_road road;
  uint16_t port;
  bool begun;
} lane;

struct race {
  hf_stream stream;
  hf_loop *loop;
  hf_timer timer; /* the second begins */
  hf_task task;   /* to tell what nothing else will */
  void (*done)(void *owner);
  lane lanes[2]; /* in the order in which they begin */
  lane *won;     /* NULL: none has yet */
  lane *best;    /* of those that are over; NULL: none is */
  hf_stream_end end;
  int64_t hopeless_at; /* the owner waits no longer; INT64_MAX: it does */
  uint32_t quiet;
  hf_stream_vault vault;
  hf_tls_context *tls;
  const hf_inspector *inspector;
  bool over, deaf, leaving;
  size_t address_count;
  const char **addresses; /* behind the struct, as the host is */
  char *host;
};

static hf_stream *open_tls(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  return hf_tls_stream_open(loop, target, watcher, hf_tcp_open);
}

static race *of(const hf_stream *stream) {
  return (race *)stream;
}

static void tell(race *r) {
  r->stream.watcher.changed(r->stream.watcher.owner);
}

static void abort_lanes(race *r) {
  for (size_t i = 0; i < 2; i++) {
    hf_stream *one = r->lanes[i].stream;
    if (one) one->operations->abort(one);
    r->lanes[i].stream = NULL;
  }
}

static void destroy(race *r) {
  abort_lanes(r);
  hf_loop_stop(r->loop, &r->timer);
  hf_loop_cancel(r->loop, &r->task);
  if (r->tls) hf_tls_context_drop(r->tls);
  free(r);
}

/* ---- the end, where both have failed ---- */

/* The further an attempt came, the more it tells. */
static int rank(const hf_reason *reason, int code) {
  if (!reason) return 2;
  if (reason->source == HF_SOURCE_TLS || reason->source == HF_SOURCE_CLIENT) return 4;
  if (reason->source == HF_SOURCE_QUIC) return code == HF_QUIC_BLOCKED ? 0 : 3;
  if (reason->source != HF_SOURCE_NETWORK) return 3;
  if (code == HF_NETWORK_REFUSED || code == HF_NETWORK_RESET || code == HF_NETWORK_CLOSED_BEFORE_CONNACK) return 3;
  return code == HF_NETWORK_UNREACHABLE ? 1 : 2;
}

static const char *words(const hf_stream_end *end) {
  return end->text[0] ? end->text : end->reason ? end->reason->text : "closed";
}

static void join(hf_stream_end *to, const hf_stream_end *first, const hf_stream_end *second, const lane *of_second) {
  char text[sizeof to->text];
  snprintf(text, sizeof text, "%.90s; over %s: %.90s", words(first), of_second->road == HF_ROAD_QUIC ? "QUIC" : "TCP",
           words(second));
  *to = *first;
  memcpy(to->text, text, sizeof text);
}

static void note(race *r, lane *one, const hf_stream_end *end) {
  one->reason = end->reason;
  one->code = end->code ? end->code : end->reason ? end->reason->code : 0;
  const hf_stream_end before = r->end;
  if (!r->best) {
    r->end = *end;
    r->best = one;
    return;
  }
  int more = rank(one->reason, one->code) - rank(r->best->reason, r->best->code);
  if (more > 0 || (more == 0 && one->road != HF_ROAD_QUIC)) {
    join(&r->end, end, &before, r->best);
    r->best = one;
  } else {
    join(&r->end, &before, end, one);
  }
}

static void note_reason(race *r, lane *one, hf_source source, int code, const char *text) {
  hf_stream_end end = {.reason = hf_reason_find(source, code)};
  snprintf(end.text, sizeof end.text, "%s", text);
  note(r, one, &end);
}

/* ---- the race ---- */

static void changed(void *owner);

/* False: it is over at once. */
static bool begin(lane *one) {
  race *r = one->race;
  bool by_quic = one->road == HF_ROAD_QUIC;
  int64_t left = r->hopeless_at - r->loop->now;
  one->begun = true;
  if (by_quic && !hf_tls_context_half(r->tls)) {
    note_reason(r, one, HF_SOURCE_TLS, HF_TLS_FAILED, "GnuTLS does not take what is in tls");
    return false;
  }
  hf_stream_target target = {.host = r->host,
                             .addresses = r->addresses,
                             .address_count = r->address_count,
                             .road = one->road,
                             .port = one->port,
                             .patience = r->hopeless_at == INT64_MAX ? 0
                                         : left < 1                  ? 1
                                                                     : (uint32_t)left,
                             .quiet = r->quiet,
                             .tls = r->tls,
                             .vault = r->vault,
                             .inspector = r->inspector};
  one->stream = (by_quic ? hf_quic_open : open_tls)(r->loop, &target, (hf_stream_watcher){changed, one});
  if (!one->stream) note_reason(r, one, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "");
  return one->stream != NULL;
}

static lane *other_than(lane *one) {
  race *r = one->race;
  return one == &r->lanes[0] ? &r->lanes[1] : &r->lanes[0];
}

/* False: none is under way, and none is left. */
static bool begin_second(race *r) {
  hf_loop_stop(r->loop, &r->timer);
  return (!r->lanes[1].begun && begin(&r->lanes[1])) || r->lanes[0].stream || r->lanes[1].stream;
}

static void stop(lane *one) {
  if (!one->stream) return;
  one->phase = one->stream->operations->phase(one->stream);
  one->stream->operations->abort(one->stream);
  one->stream = NULL;
}

static void win(lane *one) {
  race *r = one->race;
  hf_loop_stop(r->loop, &r->timer);
  stop(other_than(one));
  r->won = one;
  if (r->deaf) one->stream->operations->attend(one->stream, false);
  tell(r);
}

static void changed(void *owner) {
  lane *one = owner;
  race *r = one->race;
  hf_stream_end end;
  if (r->won) {
    tell(r);
    return;
  }
  switch (one->stream->operations->state(one->stream)) {
  case HF_STREAM_OPENING:
    return;
  case HF_STREAM_OPEN:
    win(one);
    return;
  case HF_STREAM_ENDED:
    break;
  }
  one->stream->operations->end(one->stream, &end);
  stop(one);
  note(r, one, &end);
  if (begin_second(r)) return;
  r->over = true;
  tell(r);
}

static void give_up(race *r) {
  r->over = true;
  tell(r);
}

static void fire(hf_timer *timer, int64_t now) {
  race *r = (race *)((char *)timer - offsetof(race, timer));
  (void)now;
  if (!begin_second(r)) give_up(r);
}

/* ---- leaving ---- */

static void leave(race *r) {
  void (*done)(void *) = r->done;
  void *owner = r->stream.watcher.owner;
  destroy(r);
  if (done) done(owner);
}

static void run(hf_task *task) {
  race *r = (race *)((char *)task - offsetof(race, task));
  if (r->leaving)
    leave(r);
  else if (!r->won && !begin_second(r))
    give_up(r);
}

static void left(void *owner) {
  race *r = ((lane *)owner)->race;
  r->won->stream = NULL;
  leave(r);
}

static void finish(hf_stream *stream, uint32_t patience, void (*done)(void *owner)) {
  race *r = of(stream);
  r->done = done;
  r->leaving = true;
  hf_loop_stop(r->loop, &r->timer);
  if (r->won) {
    r->won->stream->operations->finish(r->won->stream, patience, left);
    return;
  }
  abort_lanes(r);
  hf_loop_later(r->loop, &r->task);
}

static void abort_now(hf_stream *stream) {
  destroy(of(stream));
}

/* ---- what the owner calls ---- */

static hf_stream *winner(const hf_stream *stream) {
  const race *r = of(stream);
  return r->won ? r->won->stream : NULL;
}

static hf_stream_state state(const hf_stream *stream) {
  const hf_stream *one = winner(stream);
  if (one) return one->operations->state(one);
  return of(stream)->over ? HF_STREAM_ENDED : HF_STREAM_OPENING;
}

static hf_phase phase(const hf_stream *stream) {
  const race *r = of(stream);
  hf_phase furthest = HF_PHASE_NONE;
  if (r->won) return r->won->stream->operations->phase(r->won->stream);
  if (r->over) return r->best->phase;
  for (size_t i = 0; i < 2; i++) {
    const lane *one = &r->lanes[i];
    hf_phase reached = one->stream ? one->stream->operations->phase(one->stream) : one->phase;
    if (reached > furthest) furthest = reached;
  }
  return furthest;
}

static void end(const hf_stream *stream, hf_stream_end *how) {
  const hf_stream *one = winner(stream);
  if (one)
    one->operations->end(one, how);
  else
    *how = of(stream)->end;
}

static ptrdiff_t read_some(hf_stream *stream, void *buffer, size_t room) {
  hf_stream *one = winner(stream);
  if (one) return one->operations->read(one, buffer, room);
  return of(stream)->over ? -1 : 0;
}

static bool pending(const hf_stream *stream) {
  const hf_stream *one = winner(stream);
  return one && one->operations->pending(one);
}

static size_t write_some(hf_stream *stream, const void *bytes, size_t length) {
  hf_stream *one = winner(stream);
  return one ? one->operations->write(one, bytes, length) : 0;
}

static void attend(hf_stream *stream, bool readable) {
  hf_stream *one = winner(stream);
  of(stream)->deaf = !readable;
  if (one) one->operations->attend(one, readable);
}

static void progress(hf_stream *stream, hf_stream_progress *how) {
  hf_stream *one = winner(stream);
  if (one)
    one->operations->progress(one, how);
  else
    *how = (hf_stream_progress){.quiet_for = -1};
}

static bool bind_below(const hf_stream *stream, unsigned char *binding) {
  const hf_stream *one = winner(stream);
  return one && one->operations->bind && one->operations->bind(one, binding);
}

static void moved(hf_stream *stream) {
  hf_stream *one = winner(stream);
  if (one && one->operations->moved) one->operations->moved(one);
}

static void find_path(const hf_stream *stream, hf_stream_path *path) {
  race *r = of(stream);
  lane *taken = r->won ? r->won : r->best;
  if (!taken) return;
  if (r->won) hf_stream_find_path(r->won->stream, path);
  const lane *other = other_than(taken);
  path->road = taken->road;
  path->rival = (hf_stream_rival){
      .there = true, .reason = other->reason, .code = other->code, .phase = other->phase, .road = other->road};
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
                                                .bind = bind_below,
                                                .moved = moved,
                                                .path = find_path};

/* ---- opening ---- */

static size_t size_of_texts(const hf_stream_target *target) {
  size_t size = strlen(target->host) + 1;
  for (size_t i = 0; i < target->address_count; i++)
    size += sizeof(char *) + strlen(target->addresses[i]) + 1;
  return size;
}

static char *copy(char **at, const char *text) {
  char *to = *at;
  size_t length = strlen(text) + 1;
  memcpy(to, text, length);
  *at += length;
  return to;
}

hf_stream *hf_race_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  race *r = calloc(1, sizeof *r + size_of_texts(target));
  if (!r) return NULL;
  char *texts = (char *)(r + 1) + target->address_count * sizeof(char *);
  *r = (race){.stream = {.operations = &operations, .watcher = watcher},
              .loop = loop,
              .timer = {.fire = fire},
              .task = {.run = run},
              .hopeless_at = target->patience ? loop->now + target->patience : INT64_MAX,
              .quiet = target->quiet,
              .vault = target->vault,
              .tls = hf_tls_context_hold(target->tls),
              .inspector = target->inspector,
              .addresses = (const char **)(r + 1),
              .address_count = target->address_count};
  r->host = copy(&texts, target->host);
  for (size_t i = 0; i < target->address_count; i++)
    r->addresses[i] = copy(&texts, target->addresses[i]);
  const lane quic = {.race = r, .road = HF_ROAD_QUIC, .port = target->port};
  const lane tcp = {.race = r, .road = HF_ROAD_TCP, .port = target->beside.port};
  r->lanes[0] = target->beside.first ? tcp : quic;
  r->lanes[1] = target->beside.first ? quic : tcp;
  if (begin(&r->lanes[0]))
    hf_loop_set(loop, &r->timer, loop->now + HF_CONNECT_STAGGER);
  else
    hf_loop_later(loop, &r->task);
  return &r->stream;
}
