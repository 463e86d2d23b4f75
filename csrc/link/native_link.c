#define _DEFAULT_SOURCE
#include "link/native_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/quic.h"
#include "sys/entropy.h"

hf_loop *hf_native_loop;
static hf_stream_open_function *open_stream = hf_stream_open;

void hf_native_use_streams(hf_stream_open_function *function) {
  open_stream = function;
}

static bool link_begin(hf_loop *loop) {
  hf_native_loop = loop;
  return true;
}

static void link_end(void) {}

/* ---- the turn ---- */

void hf_native_tell(hf_link *link, hf_mail *mail, enum hf_link_mail kind) {
  mail->owner = link->sink.owner;
  mail->generation = link->generation;
  mail->kind = (uint16_t)kind;
  link->sink.deliver(link->sink.context, mail);
}

void hf_native_schedule(hf_link *link) {
  int64_t due = hf_native_alive_due(link);
  if (link->state == HF_NATIVE_LEAVING && link->leave_until < due) due = link->leave_until;
  if (link->state == HF_NATIVE_UP && link->release_at < due) due = link->release_at;
  if (link->state == HF_NATIVE_UP && link->stuck_at < due) due = link->stuck_at;
  if (link->state == HF_NATIVE_UP && link->renew_at < due && !link->renewing) due = link->renew_at;
  hf_loop_set(hf_native_loop, &link->timer, due);
}

void hf_native_flush_soon(hf_link *link) {
  hf_loop_later(hf_native_loop, &link->flush);
}

/* The owner is NULL when the link has given up waiting for it. */
static void left(void *owner) {
  hf_link *link = owner;
  if (!link) return;
  link->leaving = NULL;
  hf_native_end(
      link, (hf_native_ending){
                .kind = HF_LINK_CLOSED, .source = HF_SOURCE_CLIENT, .code = HF_CLIENT_CLOSED, .phase = HF_PHASE_UP});
}

static void finish(hf_link *link) {
  hf_stream *stream = link->stream;
  int64_t patience = link->leave_until - hf_native_loop->now;
  link->stream = NULL;
  link->leaving = stream;
  link->state = HF_NATIVE_LEFT;
  hf_native_schedule(link);
  stream->operations->finish(stream, patience > 0 ? (uint32_t)patience : 0, left);
}

static void out_of_memory(hf_link *link) {
  bool up = link->state >= HF_NATIVE_UP;
  hf_native_end(link, (hf_native_ending){.kind = up ? HF_LINK_DOWN : HF_LINK_FAILED,
                                         .source = HF_SOURCE_CLIENT,
                                         .code = HF_CLIENT_OUT_OF_MEMORY,
                                         .phase = up ? HF_PHASE_UP : HF_PHASE_CONNACK});
}

static void flush(hf_link *link) {
  if (!link->stream || link->state < HF_NATIVE_GREETING) return;
  if (link->starved) {
    out_of_memory(link);
    return;
  }
  uint64_t before = link->out.written;
  bool all = hf_out_flush(&link->out, link->stream);
  if (link->out.written > before) hf_native_alive_sent(link);
  hf_native_written(link);
  hf_native_pace(link, link->out.written > before);
  if (all && link->state == HF_NATIVE_LEAVING)
    finish(link);
  else
    hf_native_schedule(link);
}

static void flush_task(hf_task *task) {
  flush((hf_link *)(void *)((char *)task - offsetof(hf_link, flush)));
}

void hf_native_forget_connect(hf_link *link) {
  if (!link->connect) return;
  explicit_bzero(link->connect, link->connect_length); /* a password may be in it */
  free(link->connect);
  link->connect = NULL;
}

/* The stream takes it whole, but for one that a huge will makes larger than a socket's buffer. */
static void greet(hf_link *link) {
  size_t taken = link->stream->took_first
                     ? link->connect_length
                     : link->stream->operations->write(link->stream, link->connect, link->connect_length);
  size_t rest = link->connect_length - taken;
  uint8_t *at = rest ? hf_out_reserve(&link->out, rest) : NULL;
  link->state = HF_NATIVE_GREETING;
  hf_native_trace_sent(link, HF_PACKET_CONNECT, 0, link->protocol);
  link->out.written = link->out.appended = taken;
  link->out.secret_until = link->connect_length;
  if (at) {
    memcpy(at, link->connect + taken, rest);
    hf_out_commit(&link->out, rest);
  } else if (rest) {
    link->starved = true;
  }
  hf_native_forget_connect(link);
}

static void unbound(hf_link *link) {
  hf_native_end(link, (hf_native_ending){.kind = HF_LINK_FAILED,
                                         .source = HF_SOURCE_CLIENT,
                                         .code = HF_CLIENT_CHANNEL_BINDING,
                                         .phase = link->stream->operations->phase(link->stream)});
}

static void changed(void *owner) {
  hf_link *link = owner;
  hf_stream_state state = link->stream->operations->state(link->stream);
  if (state == HF_STREAM_OPENING) return;
  if (state == HF_STREAM_OPEN && link->state == HF_NATIVE_OPENING) {
    if (!hf_native_auth_bind(link)) {
      unbound(link);
      return;
    }
    greet(link);
  }
  if (link->state == HF_NATIVE_OPENING) {
    hf_native_stream_ended(link);
    return;
  }
  if (link->out.first || link->starved) hf_native_flush_soon(link);
  hf_native_read(link);
}

static void read_again(hf_task *task) {
  hf_native_read((hf_link *)(void *)((char *)task - offsetof(hf_link, again)));
}

static void fire(hf_timer *timer, int64_t now) {
  hf_link *link = (hf_link *)(void *)((char *)timer - offsetof(hf_link, timer));
  if (link->state == HF_NATIVE_LEAVING && now >= link->leave_until) {
    hf_native_end(link, (hf_native_ending){.kind = HF_LINK_CLOSED,
                                           .source = HF_SOURCE_CLIENT,
                                           .code = HF_CLIENT_CLOSED,
                                           .phase = HF_PHASE_UP,
                                           .text = "the DISCONNECT could not be sent in time"});
    return;
  }
  hf_native_alive_look(link);
  if (link->stream) hf_native_pace_look(link);
  if (link->stream) hf_native_renew(link, false);
  if (link->stream) hf_native_release_again(link);
}

/* ---- the operations ---- */

static hf_link *link_create(hf_link_sink sink) {
  hf_link *link = calloc(1, sizeof *link);
  if (!link) return NULL;
  link->sink = sink;
  link->timer.fire = fire;
  link->flush.run = flush_task;
  link->again.run = read_again;
  link->random = hf_entropy();
  link->release_at = link->stuck_at = HF_NATIVE_NEVER;
  /* A session that is found may know ids of a process before this one. */
  link->ids.cursor = (uint16_t)hf_random_between(&link->random, 0, UINT16_MAX);
  return link;
}

static void fail(hf_link *link, const hf_reason *reason, hf_phase phase, const char *text) {
  hf_native_end(link, (hf_native_ending){.kind = HF_LINK_FAILED,
                                         .source = (hf_source)reason->source,
                                         .code = reason->code,
                                         .phase = phase,
                                         .text = text});
}

/* What the stream wants to know after the end of the process. */
static hf_bytes look_in_store(void *owner, const unsigned char *key) {
  return hf_store_ticket_of(((hf_link *)owner)->store, key);
}

static void keep_in_store(void *owner, const unsigned char *key, hf_bytes secret) {
  hf_store_keep_ticket(((hf_link *)owner)->store, key, secret);
}

/* Of the two contexts, NULL where there is no TLS. */
static void open_with(hf_link *link, const hf_link_attempt *attempt, hf_tls_context *tls, hf_tls_context *proxy_tls) {
  const hf_proxy *proxy = attempt->proxy;
  const char *proxy_host = proxy ? proxy->host : NULL;
  const hf_stream_proxy way = {.to = proxy,
                               .addresses = attempt->proxy_address_count ? attempt->proxy_addresses : &proxy_host,
                               .address_count = attempt->proxy_address_count ? attempt->proxy_address_count : 1,
                               .tls = proxy_tls};
  hf_stream_target target = {.host = attempt->host,
                             .place = attempt->place,
                             .addresses = attempt->address_count ? attempt->addresses : &attempt->host,
                             .address_count = attempt->address_count ? attempt->address_count : 1,
                             .proxy = proxy ? &way : NULL,
                             .beside = attempt->beside,
                             .road = attempt->road,
                             .path = attempt->path,
                             .headers = attempt->headers,
                             .port = attempt->port,
                             .patience = attempt->left ? attempt->left : attempt->timeout,
                             .quiet = attempt->ask_after ? attempt->ask_after : attempt->keep_alive * 1000u,
                             .tls = tls,
                             .inspector = link->inspector};
  if (attempt->zero_rtt && !attempt->beside.port && !link->auth)
    target.first = (hf_bytes){(const char *)link->connect, link->connect_length};
  if (link->store) target.vault = (hf_stream_vault){look_in_store, keep_in_store, link};
  link->stream = open_stream(hf_native_loop, &target, (hf_stream_watcher){changed, link});
  if (!link->stream) out_of_memory(link);
}

/* A reference; NULL and no reason: there is no TLS. */
static hf_tls_context *context_of(const hf_link_tls *tls, hf_tls_context *found, hf_road road,
                                  hf_tls_problem *problem) {
  problem->reason = NULL;
  if (!tls) return NULL;
  if (!found && road == HF_ROAD_QUIC) return hf_quic_context_get(tls, problem);
  return found ? hf_tls_context_hold(found) : hf_tls_context_get(tls, problem);
}

static void begin_attempt(hf_link *link, uint32_t generation, const hf_link_attempt *attempt) {
  bool kept = attempt->session_expiry > 0 && (attempt->protocol == 5 || !attempt->clean_start);
  link->generation = generation;
  link->state = HF_NATIVE_OPENING;
  link->protocol = attempt->protocol;
  snprintf(link->client_id, sizeof link->client_id, "%s", attempt->client_id);
  link->session_expiry = kept ? attempt->session_expiry : 0;
  link->clean = attempt->clean_start;
  link->keep_alive = attempt->keep_alive;
  link->maximum_packet_size = attempt->maximum_packet_size;
  link->hold_bytes = attempt->hold_bytes ? attempt->hold_bytes : SIZE_MAX;
  hf_native_alive_begin(link, attempt->ask_after, attempt->dead_after);
  if (!hf_native_inspect(link, attempt->inspect) || !hf_native_auth_begin(link, attempt) ||
      !hf_native_write_connect(link, attempt)) {
    out_of_memory(link);
    return;
  }
  hf_tls_problem problem;
  hf_tls_context *proxy_tls = NULL, *tls = context_of(attempt->tls, attempt->context, attempt->road, &problem);
  if (!problem.reason) proxy_tls = context_of(attempt->proxy_tls, attempt->proxy_context, HF_ROAD_TCP, &problem);
  if (problem.reason)
    fail(link, problem.reason, HF_PHASE_NONE, problem.text);
  else
    open_with(link, attempt, tls, proxy_tls);
  if (tls) hf_tls_context_drop(tls);
  if (proxy_tls) hf_tls_context_drop(proxy_tls);
}

/* The mail that will end it is made first, so that the end can always be told. */
static bool link_open(hf_link *link, uint32_t generation, const hf_link_attempt *attempt) {
  if (!link->farewell) link->farewell = calloc(1, sizeof *link->farewell);
  if (!link->farewell) return false;
  begin_attempt(link, generation, attempt);
  return true;
}

static void link_abandon(hf_link *link) {
  if (link->leaving) link->leaving->watcher.owner = NULL;
  link->leaving = NULL;
  if (link->state == HF_NATIVE_IDLE) return;
  hf_native_let_go(link);
  hf_native_give_back(link, false);
}

static void link_close(hf_link *link, hf_link_farewell farewell, int64_t session_expiry, uint32_t timeout) {
  if (link->state == HF_NATIVE_UP) {
    link->state = HF_NATIVE_LEAVING;
    link->leave_until = hf_native_loop->now + timeout;
    if (farewell == HF_LINK_WITHOUT_A_WORD || (farewell == HF_LINK_WITH_WILL && link->protocol < 5)) {
      hf_native_flush_soon(link);
    } else {
      if (session_expiry >= 0)
        link->session_expiry = (uint32_t)(session_expiry > UINT32_MAX ? UINT32_MAX : session_expiry);
      hf_native_write_disconnect(link, (uint8_t)farewell, session_expiry, NULL);
    }
    hf_native_schedule(link);
  } else if (link->state == HF_NATIVE_OPENING || link->state == HF_NATIVE_GREETING) {
    hf_native_end(link,
                  (hf_native_ending){.kind = HF_LINK_CLOSED, .source = HF_SOURCE_CLIENT, .code = HF_CLIENT_CLOSED});
  }
}

static void link_figures(const hf_link *link, hf_link_figures *figures) {
  *figures = (hf_link_figures){.forgotten = link->forgotten,
                               .dropped = link->dropped,
                               .held_messages = link->inbox.waiting,
                               .held_bytes = link->inbox.bytes,
                               .open = (size_t)link->inbox.lines[0].told + link->inbox.lines[1].told};
  if (!link->stream) return;
  hf_stream_progress progress;
  link->stream->operations->progress(link->stream, &progress);
  figures->progress = progress.received + progress.acknowledged;
}

static bool link_path(const hf_link *link, hf_stream_path *path) {
  if (link->state != HF_NATIVE_UP) return false;
  hf_stream_find_path(link->stream, path);
  return true;
}

static hf_phase link_phase(const hf_link *link) {
  if (link->state == HF_NATIVE_OPENING) return link->stream->operations->phase(link->stream);
  return link->state == HF_NATIVE_GREETING ? HF_PHASE_CONNACK : HF_PHASE_NONE;
}

static bool link_mid_exchange(hf_link *link) {
  for (uint32_t i = 0; i < link->ids.room; i++)
    if (link->ids.keys[i] && link->ids.values[i] % HF_NATIVE_WORDS == HF_NATIVE_CARRIED) return true;
  return link->inbox.ids[1].count > 0;
}

static void link_destroy(hf_link *link) {
  link_abandon(link);
  hf_native_give_back(link, true);
  hf_inbox_free(&link->inbox);
  hf_ids_free(&link->ids);
  free(link->farewell);
  free(link->inspector);
  free(link);
}

const hf_link_operations hf_link_native = {.name = "native",
                                           .begin = link_begin,
                                           .end = link_end,
                                           .create = link_create,
                                           .resume = hf_native_resume,
                                           .open = link_open,
                                           .abandon = link_abandon,
                                           .publish = hf_native_publish,
                                           .subscribe = hf_native_subscribe,
                                           .unsubscribe = hf_native_unsubscribe,
                                           .probe = hf_native_probe,
                                           .authenticate = hf_native_authenticate,
                                           .close = link_close,
                                           .mid_exchange = link_mid_exchange,
                                           .phase = link_phase,
                                           .allow = hf_native_allow,
                                           .acknowledge = hf_native_acknowledge,
                                           .figures = link_figures,
                                           .path = link_path,
                                           .exact = true,
                                           .window = HF_NATIVE_WINDOW,
                                           .trace = hf_native_trace,
                                           .destroy = link_destroy};
