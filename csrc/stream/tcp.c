#define _GNU_SOURCE
#include "stream/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/connect.h"
#include "sys/tcp_socket.h"

enum {
  LULL = 50,    /* ms without a write, after which it is worth asking whether all before it has been confirmed */
  GULP = 65536, /* bytes thrown away at once */
  SIP = 4096,   /* likewise, where the system does not throw them away by itself */
  GULPS = 16,   /* at most, a call */
};

typedef struct tcp {
  hf_stream stream;
  hf_loop *loop;
  hf_connect *connect; /* until it is open; stays if it never will be */
  hf_watch watch;
  hf_timer timer; /* the end of a leave's patience */
  hf_task task;   /* something that a call of the owner's has found, to be told outside of it */
  void (*done)(void *owner);
  int descriptor;
  int error; /* the first one that the system told; 0: none */
  int64_t wrote_at;
  int64_t since; /* when what may be unconfirmed now began to be written, or later */
  uint64_t received, accepted;
  hf_stream_state state;
  bool attends;
  bool full;   /* the system took less than it was given */
  bool broken; /* a write failed; what came before that may still wait to be read */
  bool leaving;
  bool local; /* a unix socket */
} tcp;

static tcp *of(const hf_stream *stream) {
  return (tcp *)stream;
}

static void watch_for(tcp *t) {
  hf_pollset_change(t->loop->pollset, &t->watch,
                    (t->attends || t->leaving ? HF_POLL_READ : 0u) | (t->full ? HF_POLL_WRITE : 0u));
}

/* The owner may end the stream in it: nothing comes after this. */
static void tell(tcp *t) {
  t->stream.watcher.changed(t->stream.watcher.owner);
}

static void end_with(tcp *t, int error) {
  if (!t->error) t->error = error;
  t->state = HF_STREAM_ENDED;
  hf_pollset_remove(t->loop->pollset, &t->watch);
}

static void destroy(tcp *t) {
  hf_connect_free(t->connect);
  hf_pollset_remove(t->loop->pollset, &t->watch);
  hf_loop_stop(t->loop, &t->timer);
  hf_loop_cancel(t->loop, &t->task);
  if (t->descriptor >= 0) hf_socket_close(t->descriptor);
  free(t);
}

/* ---- leaving ---- */

static void leave(tcp *t) {
  void (*done)(void *) = t->done;
  void *owner = t->stream.watcher.owner;
  destroy(t);
  if (done) done(owner);
}

/* What still comes would have `close` destroy what is on its way: see `finish` in stream.h. */
static void throw_away(tcp *t) {
  char sip[SIP];
  ssize_t got = 1;
  for (int i = 0; i < GULPS && got > 0; i++)
    got = t->local ? recv(t->descriptor, sip, SIP, 0) : recv(t->descriptor, NULL, GULP, MSG_TRUNC);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) leave(t);
}

static void run_out_of_patience(hf_timer *timer, int64_t now) {
  (void)now;
  leave((tcp *)((char *)timer - offsetof(tcp, timer)));
}

static void finish(hf_stream *stream, uint32_t patience, void (*done)(void *owner)) {
  tcp *t = of(stream);
  t->done = done;
  t->leaving = true;
  hf_connect_free(t->connect);
  t->connect = NULL;
  if (t->state != HF_STREAM_OPEN || t->broken || shutdown(t->descriptor, SHUT_WR) != 0) {
    hf_loop_later(t->loop, &t->task);
    return;
  }
  hf_loop_cancel(t->loop, &t->task);
  t->full = false;
  watch_for(t);
  hf_loop_set(t->loop, &t->timer, t->loop->now + patience);
}

static void abort_now(hf_stream *stream) {
  destroy(of(stream));
}

/* ---- what the loop calls ---- */

static void ready(hf_watch *watch, unsigned events) {
  tcp *t = (tcp *)((char *)watch - offsetof(tcp, watch));
  if (t->leaving) {
    throw_away(t);
    return;
  }
  bool news = t->attends && (events & (HF_POLL_READ | HF_POLL_FAILED));
  if (t->full && (events & (HF_POLL_WRITE | HF_POLL_FAILED))) {
    news = true;
    t->full = false;
    watch_for(t);
  }
  if (news) tell(t);
}

static void run(hf_task *task) {
  tcp *t = (tcp *)((char *)task - offsetof(tcp, task));
  if (t->leaving)
    leave(t);
  else
    tell(t);
}

static void connected(void *owner, int descriptor) {
  tcp *t = owner;
  t->descriptor = descriptor;
  if (descriptor < 0) {
    end_with(t, hf_connect_error(t->connect));
  } else {
    hf_connect_free(t->connect);
    t->connect = NULL;
    if (!t->local) hf_socket_tune(descriptor);
    t->state = HF_STREAM_OPEN;
    t->since = t->wrote_at = t->loop->now;
    if (!hf_pollset_add(t->loop->pollset, &t->watch, descriptor, t->attends ? HF_POLL_READ : 0)) end_with(t, errno);
  }
  tell(t);
}

/* ---- what the owner calls ---- */

static hf_stream_state state(const hf_stream *stream) {
  const tcp *t = of(stream);
  return t->broken && !t->attends ? HF_STREAM_ENDED : t->state;
}

static hf_phase phase(const hf_stream *stream) {
  (void)stream;
  return HF_PHASE_TCP;
}

static void end(const hf_stream *stream, hf_stream_end *how) {
  const tcp *t = of(stream);
  char words[80];
  *how = (hf_stream_end){0};
  if (t->error == 0 || t->error == EPIPE) return; /* it had ended in good order before we wrote once more */
  hf_network_code code = hf_socket_reason(t->error);
  if (code == HF_NETWORK_CONNECT_FAILED && !t->connect) {
    code = HF_NETWORK_CONNECTION_LOST;
    snprintf(how->text, sizeof how->text, "%s", strerror_r(t->error, words, sizeof words));
  }
  how->reason = hf_reason_find(HF_SOURCE_NETWORK, code);
  if (t->connect) snprintf(how->text, sizeof how->text, "%s", hf_connect_text(t->connect));
}

static ptrdiff_t read_some(hf_stream *stream, void *buffer, size_t room) {
  tcp *t = of(stream);
  if (t->state == HF_STREAM_ENDED) return -1;
  if (t->state == HF_STREAM_OPENING || room == 0) return 0;
  ssize_t got;
  do
    got = recv(t->descriptor, buffer, room, 0);
  while (got < 0 && errno == EINTR);
  if (got > 0) {
    t->received += (uint64_t)got;
    return got;
  }
  if (got < 0 && errno == EAGAIN) return 0;
  end_with(t, got < 0 ? errno : 0);
  return -1;
}

static bool pending(const hf_stream *stream) {
  (void)stream;
  return false;
}

/* A failed write is not the reason: what the peer said before is read first. Whatever the error is, there is an end to
 * read then. */
static void fail_to_write(tcp *t) {
  if (!t->error) t->error = errno;
  t->broken = true;
  shutdown(t->descriptor, SHUT_RDWR);
  hf_loop_later(t->loop, &t->task);
}

static size_t write_some(hf_stream *stream, const void *bytes, size_t length) {
  tcp *t = of(stream);
  if (t->state != HF_STREAM_OPEN || t->broken || t->full || length == 0) return 0;
  int64_t now = t->loop->now;
  if (now - t->wrote_at >= LULL && hf_socket_is_idle(t->descriptor)) t->since = now;
  t->wrote_at = now;
  ssize_t taken;
  do
    taken = send(t->descriptor, bytes, length, MSG_NOSIGNAL);
  while (taken < 0 && errno == EINTR);
  if (taken < 0 && errno != EAGAIN) {
    fail_to_write(t);
    return 0;
  }
  size_t done = taken > 0 ? (size_t)taken : 0;
  t->accepted += done;
  if (done < length) {
    t->full = true;
    watch_for(t);
  }
  return done;
}

static void attend(hf_stream *stream, bool readable) {
  tcp *t = of(stream);
  t->attends = readable;
  watch_for(t);
}

static void progress(hf_stream *stream, hf_stream_progress *how) {
  tcp *t = of(stream);
  hf_socket_look look;
  *how = (hf_stream_progress){.received = t->received, .accepted = t->accepted, .quiet_for = -1};
  if (t->local && t->descriptor >= 0) { /* the peer's system is ours, and has what it has taken */
    how->acknowledged = t->accepted;
    how->quiet_for = 0;
    return;
  }
  if (t->descriptor < 0 || !hf_socket_look_at(t->descriptor, &look)) return;
  how->acknowledged = look.acknowledged < t->accepted ? look.acknowledged : t->accepted;
  how->unacknowledged = look.unacknowledged;
  how->probing = look.probing;
  how->quiet_for = 0;
  if (!look.unacknowledged && !look.probing) return;
  int64_t waiting = t->loop->now - t->since; /* an acknowledgement from before it says nothing about it */
  how->quiet_for = waiting < look.quiet_for ? waiting : look.quiet_for;
}

static void find_path(const hf_stream *stream, hf_stream_path *path) {
  const tcp *t = (const tcp *)stream;
  hf_socket_path seen;
  *path = (hf_stream_path){.road = t->local ? HF_ROAD_UNIX : HF_ROAD_TCP, HF_STREAM_PATH_UNKNOWN};
  if (t->local || t->descriptor < 0 || !hf_socket_path_of(t->descriptor, &seen)) return;
  path->rtt = seen.rtt;
  if (seen.rtt_least != UINT32_MAX) path->rtt_least = seen.rtt_least;
  path->rtt_variance = seen.rtt_variance;
  path->sent = seen.sent;
  path->retransmitted = seen.retransmitted;
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
                                                .path = find_path};

hf_stream *hf_tcp_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  tcp *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  *t = (tcp){.stream = {.operations = &operations, .watcher = watcher},
             .loop = loop,
             .watch = {.ready = ready, .descriptor = -1},
             .timer = {.fire = run_out_of_patience},
             .task = {.run = run},
             .descriptor = -1,
             .attends = true,
             .local = target->road == HF_ROAD_UNIX};
  t->connect = hf_connect_begin(loop, target->addresses, target->address_count, target->port,
                                (hf_connect_watcher){.done = connected, .owner = t, .inspector = target->inspector});
  if (t->connect) return &t->stream;
  free(t);
  return NULL;
}
