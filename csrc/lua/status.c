#include <math.h>

#include "core/uri.h"
#include "link/link.h"
#include "lua/binding.h"
#include "sys/clock.h"

static void set_number(lua_State *L, const char *name, uint64_t value) {
  hf_lua_pushint64(L, (int64_t)value);
  lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, int64_t milliseconds) {
  lua_pushnumber(L, (lua_Number)(milliseconds > 0 ? milliseconds : 0) / 1000);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static void set_bounds(lua_State *L, const char *name, size_t messages, size_t bytes) {
  lua_createtable(L, 0, 2);
  set_number(L, "messages", messages);
  set_number(L, "bytes", bytes);
  lua_setfield(L, -2, name);
}

static void set_known(lua_State *L, const char *name, uint64_t value) {
  if (value != HF_STREAM_UNKNOWN) set_number(L, name, value);
}

static void set_microseconds(lua_State *L, const char *name, uint64_t value) {
  if (value == HF_STREAM_UNKNOWN) return;
  lua_pushnumber(L, (lua_Number)value / 1000000);
  lua_setfield(L, -2, name);
}

enum { LOOK_AGAIN = 1000 /* ms */ };

static const char *early_name(hf_stream_early early) {
  static const char *const names[] = {"none", "offered", "accepted", "rejected"};
  return names[early];
}

static void set_path(lua_State *L, const hf_stream_path *path, int64_t age) {
  lua_createtable(L, 0, 10);
  set_text(L, "road", hf_road_name(path->road));
  set_seconds(L, "age", age);
  set_microseconds(L, "rtt", path->rtt);
  set_microseconds(L, "rtt_min", path->rtt_least);
  set_microseconds(L, "rtt_variance", path->rtt_variance);
  set_known(L, "sent", path->sent);
  set_known(L, "retransmitted", path->retransmitted);
  set_known(L, "migrations", path->moves);
  if (path->tls) set_flag(L, "resumed", path->resumed);
  if (path->road == HF_ROAD_QUIC) set_text(L, "early", early_name(path->early));
  lua_setfield(L, -2, "path");
}

static void fill_counters(lua_State *L, const hf_counters *counters) {
#define SET(name) set_number(L, #name, counters->name);
  HF_COUNTERS(SET)
#undef SET
}

int hf_lua_status(lua_State *L, hf_client *client) {
  hf_status status;
  int64_t now = hf_clock_ms();
  hf_client_status(client, &status);
  lua_createtable(L, 0, 17);
  set_text(L, "state", hf_state_name(status.state));
  set_text(L, "server", status.server);
  set_number(L, "attempt", status.attempt);
  if (status.deadline != INT64_MAX) set_seconds(L, "retry_in", status.deadline - now);
  set_seconds(L, "since", now - status.since);
  hf_lua_push_reason(L, status.reason, status.cls, status.code, NULL);
  lua_setfield(L, -2, "reason");
  set_flag(L, "ready", status.ready);
  set_flag(L, "session_present", status.session_present);
  if (status.held_by != HF_HELD_BY_NOTHING)
    set_text(L, "held_by", status.held_by == HF_HELD_BY_BUDGET ? "budget" : "slow_consumer");
  set_text(L, "transport", status.transport == HF_TRANSPORT_NATIVE ? "native" : "paho");
  set_text(L, "client_id", status.client_id);
  set_number(L, "keep_alive", status.keep_alive);
  set_number(L, "session_expiry", status.session_expiry);
  set_number(L, "protocol", status.protocol);
  set_seconds(L, "downtime", status.downtime);
  set_bounds(L, "queued", status.queued_messages, status.queued_bytes);
  if (status.queued_since != INT64_MAX) {
    lua_getfield(L, -1, "queued");
    set_seconds(L, "oldest", now - status.queued_since);
    lua_pop(L, 1);
  }
  set_bounds(L, "inbox", status.inbox_messages, status.inbox_bytes);
  lua_getfield(L, -1, "inbox");
  if (status.held_messages > 0) {
    set_number(L, "held", status.held_messages);
    set_seconds(L, "oldest", now - status.held_since);
  }
  lua_pop(L, 1);
  if (status.has_path && now - status.path_at >= LOOK_AGAIN) hf_client_look(client);
  if (status.has_path) set_path(L, &status.path, now - status.path_at);
  lua_createtable(L, 0, 10);
  fill_counters(L, &status.counters);
  lua_setfield(L, -2, "counters");
  return 1;
}

static const char *phase_name(int phase) {
  static const char *const names[] = {"none", "dns", "tcp", "proxy", "quic", "tls", "websocket", "connack", "up"};
  return names[phase];
}

static void set_beside(lua_State *L, const hf_attempt_beside *beside) {
  const hf_stream_rival *rival = &beside->rival;
  lua_createtable(L, 0, 4);
  set_text(L, "server", beside->server);
  set_text(L, "phase", phase_name(rival->phase));
  if (rival->reason) {
    set_text(L, "name", rival->reason->name);
    set_text(L, "source", hf_source_name(rival->reason->source));
    hf_lua_pushint64(L, rival->code);
    lua_setfield(L, -2, "code");
  }
  lua_setfield(L, -2, "beside");
}

int hf_lua_history(lua_State *L, hf_client *client) {
  hf_attempt_record records[HF_HISTORY];
  hf_attempt_beside besides[HF_HISTORY];
  int64_t now = hf_clock_ms();
  size_t count = hf_client_history(client, records, besides);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    const hf_attempt_record *record = &records[i];
    lua_createtable(L, 0, 8);
    set_text(L, "server", record->server);
    set_seconds(L, "started", now - record->started);
    set_text(L, "phase", phase_name(record->phase));
    if (record->reason) {
      set_text(L, "class", hf_class_name(record->cls));
      set_text(L, "name", record->reason->name);
      set_text(L, "source", hf_source_name(record->reason->source));
      hf_lua_pushint64(L, record->code);
      lua_setfield(L, -2, "code");
    }
    if (record->delay != HF_NO_TIME) set_seconds(L, "delay", record->delay);
    if (besides[i].server) set_beside(L, &besides[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* An array of those that there have been. */
static void push_reasons(lua_State *L) {
  int count = 0;
  lua_newtable(L);
  for (size_t row = 0; row < hf_reason_count(); row++) {
    const hf_reason *reason = hf_reason_row(row);
    hf_reason_counts counts;
    hf_metrics_of_reason(row, &counts);
    if (counts.failures == 0 && counts.losses == 0) continue;
    lua_createtable(L, 0, 4);
    set_text(L, "name", reason->name);
    set_text(L, "source", hf_source_name(reason->source));
    set_number(L, "failures", counts.failures);
    set_number(L, "losses", counts.losses);
    lua_rawseti(L, -2, ++count);
  }
}

/* What a store keeps for the next client is not dropped. */
static void push_drops(lua_State *L) {
  lua_createtable(L, 0, HF_DROP_CAUSES);
  for (size_t cause = 0; cause < HF_DROP_CAUSES; cause++)
    if (cause != HF_DROP_KEPT) set_number(L, hf_drop_cause(cause), hf_metrics_of_drops(cause));
}

/* With the last bucket, which is infinite, as large as `count`. */
static void push_dispatch(lua_State *L) {
  hf_dispatch_counts counts;
  uint64_t messages = 0;
  hf_metrics_of_dispatch(&counts);
  lua_createtable(L, 0, 3);
  lua_createtable(L, HF_DISPATCH_BOUNDS + 1, 0);
  for (int i = 0; i <= HF_DISPATCH_BOUNDS; i++) {
    messages += counts.messages[i];
    lua_createtable(L, 0, 2);
    lua_pushnumber(L, i < HF_DISPATCH_BOUNDS ? (lua_Number)hf_dispatch_bounds[i] / 1e6 : (lua_Number)HUGE_VAL);
    lua_setfield(L, -2, "le");
    set_number(L, "count", messages);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "buckets");
  set_number(L, "count", messages);
  lua_pushnumber(L, (lua_Number)counts.microseconds / 1e6);
  lua_setfield(L, -2, "sum");
}

int hf_lua_metrics(lua_State *L) {
  hf_counters totals;
  size_t clients;
  hf_metrics(&totals, &clients);
  lua_createtable(L, 0, 24);
  set_number(L, "clients", clients);
  fill_counters(L, &totals);
  set_seconds(L, "downtime", hf_metrics_downtime());
  push_reasons(L);
  lua_setfield(L, -2, "reasons");
  push_drops(L);
  lua_setfield(L, -2, "drops");
  push_dispatch(L);
  lua_setfield(L, -2, "dispatch");
  return 1;
}
