#define _DEFAULT_SOURCE
#include "stream/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/proxy_handshake.h"
#include "stream/tls_stream.h"

typedef struct proxy_talk { /* gone once there is a way */
  hf_proxy_handshake handshake;
  hf_proxy proxy;                             /* may hold secrets, as what is said may */
  char host[256], address[HF_PROXY_HOST + 1]; /* the server's */
  const hf_inspector *inspector;              /* NULL: nobody */
  size_t from, length;                        /* of what is said and has found no room below */
  uint8_t says[HF_PROXY_SAYS];
} proxy_talk;

typedef struct tunnel {
  hf_stream stream;
  hf_stream *lower;
  proxy_talk *talk;
  char *heard; /* from the proxy, while it speaks; then what the server said right behind it */
  size_t from, count;
  void (*done)(void *owner);
  hf_stream_end end; /* while OPENING has failed */
  hf_stream_state state;
  bool attends, reached;
} tunnel;

static tunnel *of(const hf_stream *stream) {
  return (tunnel *)stream;
}

static hf_stream_state state_below(const tunnel *t) {
  return t->lower->operations->state(t->lower);
}

/* The owner may end the stream in it: nothing comes after this. */
static void tell(tunnel *t) {
  t->stream.watcher.changed(t->stream.watcher.owner);
}

static void end_talk(tunnel *t) {
  if (t->talk) explicit_bzero(t->talk, sizeof *t->talk);
  free(t->talk);
  t->talk = NULL;
}

static void forget_heard(tunnel *t) {
  free(t->heard);
  t->heard = NULL;
}

/* All but the stream below. */
static void destroy(tunnel *t) {
  end_talk(t);
  forget_heard(t);
  free(t);
}

/* ---- the way to the server ---- */

static void end_with(tunnel *t, int code, const char *text) {
  t->state = HF_STREAM_ENDED;
  t->end = (hf_stream_end){.reason = hf_reason_find(HF_SOURCE_PROXY, code), .code = code};
  snprintf(t->end.text, sizeof t->end.text, "%s", text);
}

static void end_as_below(tunnel *t) {
  t->state = HF_STREAM_ENDED;
  t->lower->operations->end(t->lower, &t->end);
}

/* Who hangs up on a question does not like it, however it does that. */
static void end_unanswered(tunnel *t) {
  end_as_below(t);
  if (!t->end.reason || t->end.reason->source == HF_SOURCE_NETWORK) end_with(t, HF_PROXY_CLOSED, "");
}

static void flush(tunnel *t) {
  proxy_talk *talk = t->talk;
  size_t taken = t->lower->operations->write(t->lower, talk->says + talk->from, talk->length - talk->from);
  talk->from += taken;
  if (talk->from == talk->length) explicit_bzero(talk->says, talk->length);
}

static bool is_said(const tunnel *t) {
  return t->talk->from == t->talk->length;
}

static void say(tunnel *t) {
  t->talk->from = 0;
  t->talk->length = hf_proxy_say(&t->talk->handshake, t->talk->says);
  flush(t);
}

static void show(const proxy_talk *talk) {
  if (!talk->inspector) return;
  hf_step *step = hf_step_new(HF_STEP_PROXY, 4 * HF_STEP_FIELD + sizeof talk->host + HF_PROXY_HOST);
  hf_step_text(step, "proxy", talk->proxy.host);
  hf_step_number(step, "proxy_port", talk->proxy.port);
  hf_step_text(step, "host", talk->host);
  hf_step_number(step, "port", talk->handshake.port);
  hf_inspect(talk->inspector, step);
}

static void open_up(tunnel *t) {
  t->state = HF_STREAM_OPEN;
  show(t->talk);
  end_talk(t);
  if (t->from == t->count) forget_heard(t);
}

/* What it says comes in any pieces, up to a bound; the time that it may take is the owner's affair. */
static void judge(tunnel *t) {
  hf_proxy_turn turn = HF_PROXY_LISTENS;
  size_t used = 1;
  while (t->state == HF_STREAM_OPENING && (turn != HF_PROXY_LISTENS || used) && is_said(t)) {
    turn = hf_proxy_hear(&t->talk->handshake, (hf_bytes){t->heard + t->from, t->count - t->from}, &used, &t->end);
    t->from += used;
    if (turn == HF_PROXY_SPEAKS)
      say(t);
    else if (turn == HF_PROXY_OPENS)
      open_up(t);
    else if (turn == HF_PROXY_REFUSES)
      t->state = HF_STREAM_ENDED;
  }
  if (t->state == HF_STREAM_OPENING && t->count == HF_PROXY_HEARS)
    end_with(t, HF_PROXY_HANDSHAKE, "its answer is longer than 16 KiB");
}

static void hear(tunnel *t) {
  while (t->state == HF_STREAM_OPENING) {
    ptrdiff_t got = t->lower->operations->read(t->lower, t->heard + t->count, HF_PROXY_HEARS - t->count);
    if (got == 0) return;
    t->count += got > 0 ? (size_t)got : 0;
    if (got > 0)
      judge(t);
    else
      end_unanswered(t);
  }
}

static void reach(tunnel *t) {
  t->reached = true;
  t->heard = malloc(HF_PROXY_HEARS);
  if (t->heard) {
    say(t);
    return;
  }
  t->state = HF_STREAM_ENDED;
  t->end = (hf_stream_end){.reason = hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY)};
}

static void go_on(tunnel *t) {
  flush(t);
  judge(t);
}

static void talk_to_proxy(tunnel *t) {
  if (!t->reached && state_below(t) == HF_STREAM_ENDED)
    end_as_below(t);
  else if (!t->reached)
    reach(t);
  else
    go_on(t);
  if (t->state == HF_STREAM_OPENING) hear(t);
  t->lower->operations->attend(t->lower, t->attends || t->state == HF_STREAM_OPENING);
  if (t->state != HF_STREAM_OPENING) tell(t);
}

static void changed_below(void *owner) {
  tunnel *t = owner;
  if (t->state == HF_STREAM_OPEN)
    tell(t);
  else if (t->state == HF_STREAM_OPENING && state_below(t) != HF_STREAM_OPENING)
    talk_to_proxy(t);
}

/* ---- leaving ---- */

static void left(void *owner) {
  tunnel *t = owner;
  void (*done)(void *) = t->done;
  void *whose = t->stream.watcher.owner;
  destroy(t);
  if (done) done(whose);
}

static void finish(hf_stream *stream, uint32_t patience, void (*done)(void *owner)) {
  tunnel *t = of(stream);
  t->done = done;
  t->state = HF_STREAM_ENDED;
  t->lower->operations->finish(t->lower, patience, left);
}

static void abort_now(hf_stream *stream) {
  tunnel *t = of(stream);
  t->lower->operations->abort(t->lower);
  destroy(t);
}

/* ---- what the owner calls ---- */

static hf_stream_state state(const hf_stream *stream) {
  const tunnel *t = of(stream);
  return t->state == HF_STREAM_OPEN && !t->heard ? state_below(t) : t->state;
}

static hf_phase phase(const hf_stream *stream) {
  (void)stream;
  return HF_PHASE_PROXY;
}

static void end(const hf_stream *stream, hf_stream_end *how) {
  const tunnel *t = of(stream);
  if (t->state == HF_STREAM_ENDED)
    *how = t->end;
  else
    t->lower->operations->end(t->lower, how);
}

static ptrdiff_t read_some(hf_stream *stream, void *buffer, size_t room) {
  tunnel *t = of(stream);
  if (t->state != HF_STREAM_OPEN) return t->state == HF_STREAM_ENDED ? -1 : 0;
  if (!t->heard) return t->lower->operations->read(t->lower, buffer, room);
  size_t length = t->count - t->from < room ? t->count - t->from : room;
  memcpy(buffer, t->heard + t->from, length);
  t->from += length;
  if (t->from == t->count) forget_heard(t);
  return (ptrdiff_t)length;
}

static bool pending(const hf_stream *stream) {
  const tunnel *t = of(stream);
  return t->state == HF_STREAM_OPEN && (t->heard || t->lower->operations->pending(t->lower));
}

static size_t write_some(hf_stream *stream, const void *bytes, size_t length) {
  tunnel *t = of(stream);
  return t->state == HF_STREAM_OPEN ? t->lower->operations->write(t->lower, bytes, length) : 0;
}

static void attend(hf_stream *stream, bool readable) {
  tunnel *t = of(stream);
  t->attends = readable;
  if (t->state == HF_STREAM_OPEN) t->lower->operations->attend(t->lower, readable);
}

/* What the proxy's system says of itself is nothing about the server: bytes that come are the only sign of its life. */
static void progress(hf_stream *stream, hf_stream_progress *how) {
  hf_stream *lower = of(stream)->lower;
  lower->operations->progress(lower, how);
  how->quiet_for = -1;
}

static void find_path(const hf_stream *stream, hf_stream_path *path) {
  hf_stream_find_path(of(stream)->lower, path);
  path->tls = path->resumed = false; /* that would be to the proxy */
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

static void begin(proxy_talk *talk, const hf_stream_target *target) {
  const char *host = target->place ? target->place : target->host;
  const char *address = target->address_count ? target->addresses[0] : host;
  talk->proxy = *target->proxy->to;
  talk->inspector = target->inspector;
  snprintf(talk->host, sizeof talk->host, "%s", host);
  snprintf(talk->address, sizeof talk->address, "%s", address);
  talk->handshake =
      (hf_proxy_handshake){.proxy = &talk->proxy, .host = talk->host, .address = talk->address, .port = target->port};
}

static hf_stream *open_below(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher,
                             hf_stream_open_function *plain) {
  const hf_stream_proxy *proxy = target->proxy;
  const hf_stream_target there = {.host = proxy->to->host,
                                  .addresses = proxy->addresses,
                                  .address_count = proxy->address_count,
                                  .port = proxy->to->port,
                                  .tls = proxy->tls,
                                  .inspector = target->inspector};
  return proxy->tls ? hf_tls_stream_open(loop, &there, watcher, plain) : plain(loop, &there, watcher);
}

hf_stream *hf_proxy_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher,
                         hf_stream_open_function *plain) {
  tunnel *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  *t = (tunnel){.stream = {.operations = &operations, .watcher = watcher}, .attends = true};
  t->talk = calloc(1, sizeof *t->talk);
  if (t->talk) {
    begin(t->talk, target);
    t->lower = open_below(loop, target, (hf_stream_watcher){changed_below, t}, plain);
  }
  if (t->lower) return &t->stream;
  destroy(t);
  return NULL;
}
