#define _DEFAULT_SOURCE
#include "stream/websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http.h"
#include "stream/websocket_frames.h"
#include "stream/websocket_handshake.h"

enum { READ = 65536, MOST = 2 * READ /* bytes of the stream below that one call looks at, whatever they are */ };

/* Of the loop's thread: what a stream owns is what has found no room below, and what came behind the handshake. */
static uint8_t raw[READ], framed[HF_FRAME_ROOM];

typedef struct websocket {
  hf_stream stream;
  hf_loop *loop;
  hf_stream *lower;
  hf_frames frames;
  hf_handshake handshake;
  hf_stream_target target; /* host, path and headers are ours; they are gone once the request is written */
  hf_task task;
  hf_timer timer; /* of a leave that waits for room below */
  int64_t leave_by;
  void (*done)(void *owner);
  hf_stream_end end; /* once the state is ENDED */
  uint8_t *rest;     /* has found no room below */
  size_t rest_from, rest_count;
  char *head; /* of the answer, while it comes; then what came behind it */
  size_t head_from, head_count, looked;
  hf_stream_state state;
  bool attends, refused, reached, leaving;
  bool more; /* one call did not look at all that there is */
} websocket;

static websocket *of(const hf_stream *stream) {
  return (websocket *)stream;
}

static hf_stream_state state_below(const websocket *w) {
  return w->lower->operations->state(w->lower);
}

/* The owner may end the stream in it: nothing comes after this. */
static void tell(websocket *w) {
  w->stream.watcher.changed(w->stream.watcher.owner);
}

static void wipe(const char *secret) {
  if (secret) explicit_bzero((char *)secret, strlen(secret));
  free((char *)secret);
}

static void forget_target(websocket *w) {
  free((char *)w->target.host);
  free((char *)w->target.path);
  wipe(w->target.headers);
  w->target = (hf_stream_target){0};
}

/* All but the stream below. */
static void destroy(websocket *w) {
  hf_loop_stop(w->loop, &w->timer);
  hf_loop_cancel(w->loop, &w->task);
  hf_frames_free(&w->frames);
  forget_target(w);
  if (w->rest) explicit_bzero(w->rest, w->rest_from + w->rest_count);
  free(w->rest);
  free(w->head);
  free(w);
}

/* ---- ends ---- */

static void end_with(websocket *w, hf_source source, int code, const char *text) {
  w->state = HF_STREAM_ENDED;
  w->end = (hf_stream_end){.reason = hf_reason_find(source, code), .code = code};
  snprintf(w->end.text, sizeof w->end.text, "%s", text);
}

static void starve(websocket *w) {
  end_with(w, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "");
}

static void end_as_below(websocket *w) {
  w->state = HF_STREAM_ENDED;
  w->lower->operations->end(w->lower, &w->end);
}

/* ---- writing below ---- */

static bool is_clear(const websocket *w) {
  return w->rest_count == 0;
}

/* What is owed besides goes out where there is room, and no frame of a message's in the middle. */
static void put(websocket *w, const uint8_t *bytes, size_t length) {
  size_t taken = w->lower->operations->write(w->lower, bytes, length);
  if (taken == length) return;
  w->rest_from = 0;
  w->rest_count = length - taken;
  w->rest = malloc(w->rest_count);
  if (w->rest)
    memcpy(w->rest, bytes + taken, w->rest_count);
  else
    w->rest_count = 0;
  if (!w->rest && w->state != HF_STREAM_ENDED) {
    starve(w);
    hf_loop_later(w->loop, &w->task);
  }
}

static void flush(websocket *w) {
  if (w->rest_count) {
    size_t taken = w->lower->operations->write(w->lower, w->rest + w->rest_from, w->rest_count);
    w->rest_from += taken;
    w->rest_count -= taken;
    if (w->rest_count) return;
    explicit_bzero(w->rest, w->rest_from); /* it may be the request */
    free(w->rest);
    w->rest = NULL;
  }
  if (w->frames.pong && w->state == HF_STREAM_OPEN) put(w, framed, hf_frames_write_pong(&w->frames, framed));
}

/* ---- the handshake ---- */

static void ask(websocket *w) {
  size_t length = 0;
  char *request = hf_handshake_request(&w->handshake, &w->target, &length);
  w->head = malloc(HF_HTTP_HEAD);
  if (!request || !w->head) {
    free(request);
    starve(w);
    return;
  }
  put(w, (const uint8_t *)request, length);
  explicit_bzero(request, length);
  free(request);
}

static void show(const websocket *w) {
  enum { PATH = 512 };
  if (!w->target.inspector) return;
  hf_step *step = hf_step_new(HF_STEP_WEBSOCKET, 2 * HF_STEP_FIELD + PATH);
  hf_step_text(step, "subprotocol", "mqtt");
  hf_step_text(step, "path", w->target.path ? w->target.path : "/");
  hf_inspect(w->target.inspector, step);
}

static void open_up(websocket *w, size_t end) {
  w->state = HF_STREAM_OPEN;
  w->head_from = end;
  show(w);
  forget_target(w);
  if (end < w->head_count) return;
  free(w->head);
  w->head = NULL;
}

static void judge(websocket *w, size_t end) {
  if (hf_handshake_judge(&w->handshake, &w->target, (hf_bytes){w->head, end}, &w->end))
    open_up(w, end);
  else
    w->state = HF_STREAM_ENDED;
}

/* What the answer says comes in any pieces, up to a bound; the time that it may take is the owner's affair. */
static void hear(websocket *w) {
  while (w->state == HF_STREAM_OPENING) {
    ptrdiff_t got = w->lower->operations->read(w->lower, w->head + w->head_count, HF_HTTP_HEAD - w->head_count);
    if (got == 0) return;
    if (got < 0) {
      end_as_below(w);
      if (!w->end.reason)
        end_with(w, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_HANDSHAKE,
                 "the server closed the connection instead of an answer");
      return;
    }
    w->head_count += (size_t)got;
    size_t end = hf_http_head_end((hf_bytes){w->head, w->head_count}, &w->looked);
    if (end)
      judge(w, end);
    else if (w->head_count == HF_HTTP_HEAD)
      end_with(w, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_HANDSHAKE, "its head is longer than 16 KiB");
  }
}

static void shake_hands(websocket *w) {
  flush(w);
  if (!w->reached && state_below(w) == HF_STREAM_ENDED) {
    end_as_below(w);
  } else if (!w->reached) {
    w->reached = true;
    ask(w);
  }
  if (w->reached && w->head && w->state == HF_STREAM_OPENING) hear(w);
  w->lower->operations->attend(w->lower, w->attends || w->state == HF_STREAM_OPENING);
  if (w->state != HF_STREAM_OPENING) tell(w);
}

/* ---- leaving ---- */

static void left(void *owner) {
  websocket *w = owner;
  void (*done)(void *) = w->done;
  void *whose = w->stream.watcher.owner;
  destroy(w);
  if (done) done(whose);
}

static void leave_below(websocket *w) {
  int64_t patience = w->leave_by - w->loop->now;
  hf_loop_stop(w->loop, &w->timer);
  w->lower->operations->finish(w->lower, patience > 0 ? (uint32_t)patience : 0, left);
}

static void leave_when_clear(websocket *w) {
  flush(w);
  bool says_close = is_clear(w) && w->state == HF_STREAM_OPEN;
  if (says_close) {
    w->state = HF_STREAM_ENDED;
    put(w, framed, hf_frames_write_close(&w->frames, HF_WEBSOCKET_NORMAL, framed));
  }
  if (is_clear(w)) leave_below(w);
}

static void run_out_of_patience(hf_timer *timer, int64_t now) {
  (void)now;
  leave_below((websocket *)((char *)timer - offsetof(websocket, timer)));
}

static void finish(hf_stream *stream, uint32_t patience, void (*done)(void *owner)) {
  websocket *w = of(stream);
  w->leaving = true;
  w->done = done;
  w->leave_by = w->loop->now + patience;
  hf_loop_cancel(w->loop, &w->task);
  hf_loop_set(w->loop, &w->timer, w->leave_by);
  leave_when_clear(w);
}

static void abort_now(hf_stream *stream) {
  websocket *w = of(stream);
  w->lower->operations->abort(w->lower);
  destroy(w);
}

/* ---- what the stream below, and the loop, call ---- */

static void changed_below(void *owner) {
  websocket *w = owner;
  if (w->leaving) {
    leave_when_clear(w);
    return;
  }
  if (w->state == HF_STREAM_OPENING) {
    if (state_below(w) != HF_STREAM_OPENING) shake_hands(w);
    return;
  }
  if (w->state == HF_STREAM_ENDED) return;
  flush(w);
  bool room = w->refused && is_clear(w);
  if (room) w->refused = false;
  if (room || w->attends || state_below(w) == HF_STREAM_ENDED) tell(w);
}

static void run(hf_task *task) {
  tell((websocket *)((char *)task - offsetof(websocket, task)));
}

/* ---- what the owner calls ---- */

static hf_stream_state state(const hf_stream *stream) {
  const websocket *w = of(stream);
  bool lost = w->state == HF_STREAM_OPEN && !w->attends && state_below(w) == HF_STREAM_ENDED;
  return lost ? HF_STREAM_ENDED : w->state;
}

static hf_phase phase(const hf_stream *stream) {
  const websocket *w = of(stream);
  return w->reached ? HF_PHASE_WEBSOCKET : w->lower->operations->phase(w->lower);
}

static void end(const hf_stream *stream, hf_stream_end *how) {
  const websocket *w = of(stream);
  if (w->state == HF_STREAM_ENDED)
    *how = w->end;
  else
    w->lower->operations->end(w->lower, how);
}

/* The peer is told why, or what it said is said back (RFC 6455 section 5.5.1). */
static void part(websocket *w) {
  hf_frames *frames = &w->frames;
  if (frames->problem)
    end_with(w, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_VIOLATION, frames->problem);
  else if (frames->code == 0 || frames->code == HF_WEBSOCKET_NORMAL)
    w->state = HF_STREAM_ENDED;
  else
    end_with(w, HF_SOURCE_WEBSOCKET, frames->code, frames->control_length > 2 ? (char *)frames->control + 2 : "");
  if (is_clear(w)) put(w, framed, hf_frames_write_close(frames, frames->code, framed));
}

/* Raw bytes: those that came behind the handshake, then from below. */
static ptrdiff_t fetch(websocket *w, size_t room, const void **bytes) {
  if (!w->head) {
    *bytes = raw;
    return w->lower->operations->read(w->lower, raw, room < READ ? room : READ);
  }
  size_t length = w->head_count - w->head_from < room ? w->head_count - w->head_from : room;
  memcpy(raw, w->head + w->head_from, length);
  *bytes = raw;
  w->head_from += length;
  if (w->head_from == w->head_count) {
    free(w->head);
    w->head = NULL;
  }
  return (ptrdiff_t)length;
}

/* Payload is never longer than the frames that it came in, so that it always has the room. */
static ptrdiff_t read_some(hf_stream *stream, void *buffer, size_t room) {
  websocket *w = of(stream);
  if (w->state == HF_STREAM_ENDED) return -1;
  if (w->state == HF_STREAM_OPENING) return 0;
  size_t done = 0, looked = 0;
  ptrdiff_t got = 0;
  while (done < room && looked < MOST && w->state == HF_STREAM_OPEN) {
    const void *bytes;
    got = fetch(w, room - done < READ ? room - done : READ, &bytes);
    if (got <= 0) break;
    looked += (size_t)got;
    done += hf_frames_read(&w->frames, bytes, (size_t)got, (uint8_t *)buffer + done);
    if (w->frames.problem || w->frames.closed) part(w);
  }
  w->more = got > 0;
  if (got < 0 && w->state == HF_STREAM_OPEN) end_as_below(w);
  if (w->state == HF_STREAM_OPEN && w->frames.pong) flush(w);
  if (w->state != HF_STREAM_ENDED) return (ptrdiff_t)done;
  if (done == 0) return -1;
  hf_loop_later(w->loop, &w->task);
  return (ptrdiff_t)done;
}

static bool pending(const hf_stream *stream) {
  const websocket *w = of(stream);
  return w->state == HF_STREAM_OPEN && (w->head || w->more || w->lower->operations->pending(w->lower));
}

static size_t write_some(hf_stream *stream, const void *bytes, size_t length) {
  websocket *w = of(stream);
  size_t done = 0;
  while (done < length && w->state == HF_STREAM_OPEN && is_clear(w) && state_below(w) == HF_STREAM_OPEN) {
    size_t piece = length - done < HF_FRAME ? length - done : HF_FRAME;
    put(w, framed, hf_frames_write(&w->frames, (const char *)bytes + done, piece, framed));
    done += piece;
  }
  if (done < length) w->refused = true;
  return done;
}

static void attend(hf_stream *stream, bool readable) {
  websocket *w = of(stream);
  w->attends = readable;
  if (w->state == HF_STREAM_OPEN) w->lower->operations->attend(w->lower, readable);
}

static void progress(hf_stream *stream, hf_stream_progress *how) {
  hf_stream *lower = of(stream)->lower;
  lower->operations->progress(lower, how);
  how->holds = how->holds || !is_clear(of(stream));
}

static bool bind_below(const hf_stream *stream, unsigned char *binding) {
  const hf_stream *lower = ((const websocket *)stream)->lower;
  return lower->operations->bind && lower->operations->bind(lower, binding);
}

static void find_path(const hf_stream *stream, hf_stream_path *path) {
  hf_stream_find_path(of(stream)->lower, path);
  path->road = HF_ROAD_WEBSOCKET;
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
                                                .path = find_path};

static bool keep(const char **to, const char *from) {
  *to = from ? strdup(from) : NULL;
  return *to || !from;
}

hf_stream *hf_websocket_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher,
                             hf_stream_open_function *lower) {
  websocket *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  *w = (websocket){
      .stream = {.operations = &operations, .watcher = watcher},
      .loop = loop,
      .target = {.port = target->port, .tls = target->tls, .road = target->road, .inspector = target->inspector},
      .task = {.run = run},
      .timer = {.fire = run_out_of_patience},
      .attends = true};
  bool fine = hf_frames_init(&w->frames) && keep(&w->target.host, target->host) &&
              keep(&w->target.path, target->path) && keep(&w->target.headers, target->headers);
  if (fine) w->lower = lower(loop, target, (hf_stream_watcher){changed_below, w});
  if (w->lower) return &w->stream;
  destroy(w);
  return NULL;
}
