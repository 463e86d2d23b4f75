#include "scripted_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pile {
  char *bytes;
  size_t from, count, room;
} pile;

struct hf_scripted {
  hf_stream stream;
  hf_loop *loop;
  hf_scripted *next;
  hf_timer timer;
  hf_task task;
  void (*done)(void *owner);
  pile fed, written;
  size_t piece, allowed;
  uint64_t received, accepted, acknowledged;
  size_t writes;
  int64_t quiet_for;
  const hf_reason *reason;
  char text[200], host[128], address[128];
  uint32_t patience;
  uint16_t port;
  hf_phase phase;
  hf_stream_state state;
  hf_scripted_left left;
  bool attends, full, ending, broken, holds, probing;
};

static hf_scripted *waiting;

static hf_scripted *of(const hf_stream *stream) {
  return (hf_scripted *)stream;
}

static void put(pile *to, const void *bytes, size_t length) {
  if (length == 0) return;
  if (to->count + length > to->room) {
    to->room = (to->count + length) * 2;
    char *larger = realloc(to->bytes, to->room);
    if (!larger) larger = realloc(to->bytes, to->room); /* a famine of a spec's is over after one request */
    if (!larger) abort();
    to->bytes = larger;
  }
  memcpy(to->bytes + to->count, bytes, length);
  to->count += length;
}

static size_t take(pile *from, void *buffer, size_t room) {
  size_t length = from->count - from->from;
  if (length > room) length = room;
  if (length) memcpy(buffer, from->bytes + from->from, length);
  from->from += length;
  if (from->from == from->count) from->from = from->count = 0;
  return length;
}

static bool is_empty(const pile *it) {
  return it->from == it->count;
}

static void news(hf_scripted *peer) {
  if (peer->left == HF_SCRIPTED_STAYS) hf_loop_later(peer->loop, &peer->task);
}

static void destroy(hf_scripted *peer) {
  free(peer->fed.bytes);
  free(peer->written.bytes);
  free(peer);
}

static void forget_loop(hf_scripted *peer) {
  hf_loop_stop(peer->loop, &peer->timer);
  hf_loop_cancel(peer->loop, &peer->task);
}

static void leave(hf_scripted *peer) {
  void (*done)(void *) = peer->done;
  void *owner = peer->stream.watcher.owner;
  forget_loop(peer);
  peer->left = HF_SCRIPTED_LEFT;
  if (done) done(owner);
}

static void run(hf_task *task) {
  hf_scripted *peer = (hf_scripted *)((char *)task - offsetof(hf_scripted, task));
  if (peer->left == HF_SCRIPTED_LEAVES)
    leave(peer);
  else
    peer->stream.watcher.changed(peer->stream.watcher.owner);
}

static void fire(hf_timer *timer, int64_t now) {
  (void)now;
  leave((hf_scripted *)((char *)timer - offsetof(hf_scripted, timer)));
}

/* ---- the owner's side ---- */

static hf_stream_state state(const hf_stream *stream) {
  const hf_scripted *peer = of(stream);
  return peer->broken && !peer->attends ? HF_STREAM_ENDED : peer->state;
}

static hf_phase phase(const hf_stream *stream) {
  return of(stream)->phase;
}

static void end(const hf_stream *stream, hf_stream_end *how) {
  how->reason = of(stream)->reason;
  snprintf(how->text, sizeof how->text, "%s", of(stream)->text);
}

static ptrdiff_t read_some(hf_stream *stream, void *buffer, size_t room) {
  hf_scripted *peer = of(stream);
  if (peer->state == HF_STREAM_OPENING) return 0;
  size_t got = take(&peer->fed, buffer, peer->piece && peer->piece < room ? peer->piece : room);
  peer->received += got;
  if (got > 0) {
    if (!is_empty(&peer->fed) || peer->ending) news(peer); /* as a descriptor would be ready once more */
    return (ptrdiff_t)got;
  }
  if (peer->ending) peer->state = HF_STREAM_ENDED;
  return peer->state == HF_STREAM_ENDED ? -1 : 0;
}

static bool pending(const hf_stream *stream) {
  (void)stream;
  return false;
}

static size_t write_some(hf_stream *stream, const void *bytes, size_t length) {
  hf_scripted *peer = of(stream);
  if (peer->state != HF_STREAM_OPEN || peer->broken) return 0;
  if (peer->ending && !peer->attends) { /* nobody would notice otherwise */
    peer->broken = true;
    news(peer);
    return 0;
  }
  size_t taken = length < peer->allowed ? length : peer->allowed;
  if (peer->allowed != SIZE_MAX) peer->allowed -= taken;
  if (taken < length) peer->full = true;
  put(&peer->written, bytes, taken);
  peer->writes++;
  peer->accepted += taken;
  if (!peer->holds) peer->acknowledged = peer->accepted;
  return taken;
}

static void attend(hf_stream *stream, bool readable) {
  hf_scripted *peer = of(stream);
  peer->attends = readable;
  if (readable && (!is_empty(&peer->fed) || peer->ending)) news(peer);
}

static void progress(hf_stream *stream, hf_stream_progress *how) {
  const hf_scripted *peer = of(stream);
  bool behind = peer->acknowledged < peer->accepted;
  *how = (hf_stream_progress){.received = peer->received,
                              .accepted = peer->accepted,
                              .acknowledged = peer->acknowledged,
                              .quiet_for = peer->quiet_for,
                              .unacknowledged = behind,
                              .probing = peer->probing};
}

static void finish(hf_stream *stream, uint32_t patience, void (*done)(void *owner)) {
  hf_scripted *peer = of(stream);
  bool is_open = peer->state == HF_STREAM_OPEN && !peer->ending;
  peer->left = HF_SCRIPTED_LEAVES;
  peer->done = done;
  peer->patience = patience;
  hf_loop_cancel(peer->loop, &peer->task);
  if (is_open)
    hf_loop_set(peer->loop, &peer->timer, peer->loop->now + patience);
  else
    hf_loop_later(peer->loop, &peer->task);
}

static void abort_now(hf_stream *stream) {
  hf_scripted *peer = of(stream);
  forget_loop(peer);
  peer->left = HF_SCRIPTED_ABORTED;
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
                                                .abort = abort_now};

hf_stream *hf_scripted_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  hf_scripted *peer = calloc(1, sizeof *peer), **last = &waiting;
  if (!peer) return NULL;
  peer->stream = (hf_stream){.operations = &operations, .watcher = watcher};
  peer->loop = loop;
  peer->timer.fire = fire;
  peer->task.run = run;
  peer->allowed = SIZE_MAX;
  peer->phase = HF_PHASE_TCP;
  peer->attends = true;
  peer->port = target->port;
  snprintf(peer->host, sizeof peer->host, "%s", target->host);
  snprintf(peer->address, sizeof peer->address, "%s", target->addresses[0]);
  while (*last)
    last = &(*last)->next;
  *last = peer;
  return &peer->stream;
}

/* ---- the spec's side ---- */

hf_scripted *hf_scripted_next(void) {
  hf_scripted *peer = waiting;
  if (!peer) return NULL;
  waiting = peer->next;
  peer->next = NULL;
  return peer;
}

void hf_scripted_free(hf_scripted *peer) {
  forget_loop(peer);
  destroy(peer);
}

const char *hf_scripted_host(const hf_scripted *peer) {
  return peer->host;
}

const char *hf_scripted_address(const hf_scripted *peer) {
  return peer->address;
}

uint16_t hf_scripted_port(const hf_scripted *peer) {
  return peer->port;
}

void hf_scripted_phase(hf_scripted *peer, hf_phase how_far) {
  peer->phase = how_far;
}

void hf_scripted_connect(hf_scripted *peer) {
  peer->state = HF_STREAM_OPEN;
  news(peer);
}

void hf_scripted_feed(hf_scripted *peer, const void *bytes, size_t length) {
  put(&peer->fed, bytes, length);
  if (peer->attends) news(peer);
}

void hf_scripted_piece(hf_scripted *peer, size_t piece) {
  peer->piece = piece;
}

size_t hf_scripted_take(hf_scripted *peer, void *buffer, size_t room) {
  return take(&peer->written, buffer, room);
}

void hf_scripted_allow(hf_scripted *peer, size_t room) {
  peer->allowed = room;
  if (!peer->full || room == 0) return;
  peer->full = false;
  news(peer);
}

void hf_scripted_end(hf_scripted *peer, const hf_reason *reason, const char *text) {
  peer->reason = reason;
  snprintf(peer->text, sizeof peer->text, "%s", text ? text : "");
  if (peer->state == HF_STREAM_OPENING)
    peer->state = HF_STREAM_ENDED;
  else
    peer->ending = true;
  if (peer->left == HF_SCRIPTED_LEAVES)
    hf_loop_later(peer->loop, &peer->task);
  else if (peer->attends)
    news(peer);
}

size_t hf_scripted_writes(const hf_scripted *peer) {
  return peer->writes;
}

void hf_scripted_hold_back(hf_scripted *peer, bool holds) {
  peer->holds = holds;
  if (!holds) peer->acknowledged = peer->accepted;
}

void hf_scripted_quiet(hf_scripted *peer, int64_t quiet_for, bool probing) {
  peer->quiet_for = quiet_for;
  peer->probing = probing;
}

bool hf_scripted_attended(const hf_scripted *peer) {
  return peer->attends;
}

hf_scripted_left hf_scripted_how_left(const hf_scripted *peer) {
  return peer->left;
}

uint32_t hf_scripted_patience(const hf_scripted *peer) {
  return peer->patience;
}
