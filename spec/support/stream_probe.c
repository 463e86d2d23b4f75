/* stream_probe: streams of csrc/stream by themselves, as the Lua module `stream_probe`.
 *
 *   local stream = probe.open(loop, { addresses = { "127.0.0.1" }, port = 1883 }, function(stream) ... end)
 *   stream:state()                    -- "opening", "open" or "ended"
 *   stream:read(65536)                -- bytes | nil (nothing now) | false (it has ended)
 *   stream:finish(500, fn); stream:abort()
 *
 * The loop is loop_probe's. Call on the thread of the lua_State.
 */
#define _GNU_SOURCE
#include "loop_probe.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "famine.h"
#include "stream/stream.h"

static const char *const stream_name = "stream_probe.stream", *const context_name = "stream_probe.context";

enum { MOST_ADDRESSES = 16, MOST_NAMES = 8 };

typedef struct probe_stream {
  hf_stream *stream; /* NULL: it is over */
  hf_probe_loop *loop;
  int changed, done; /* registry */
  int self;          /* registry: kept until it is over */
  unsigned calls;    /* of `changed`, from within calls of ours on this stream: there must be none */
  bool inside;
} probe_stream;

static probe_stream *check(lua_State *L) {
  return luaL_checkudata(L, 1, stream_name);
}

static probe_stream *check_open(lua_State *L) {
  probe_stream *self = check(L);
  luaL_argcheck(L, self->stream, 1, "it is over");
  return self;
}

static const char *field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  const char *text = lua_tostring(L, -1); /* the table keeps it */
  lua_pop(L, 1);
  return text;
}

static size_t list_field(lua_State *L, int table, const char *name, const char **list, size_t most) {
  size_t count = 0;
  lua_getfield(L, table, name);
  if (lua_istable(L, -1))
    for (; count < most && count < lua_rawlen(L, -1); count++) {
      hf_lua_rawgeti(L, -1, (int)count + 1);
      list[count] = lua_tostring(L, -1);
      lua_pop(L, 1);
    }
  lua_pop(L, 1);
  return count;
}

/* ---- contexts of TLS ---- */

static void read_options(lua_State *L, int table, hf_tls_options *options, const char **names) {
  const char **pins = names + MOST_NAMES + 1;
  names[list_field(L, table, "alpn", names, MOST_NAMES)] = NULL;
  pins[list_field(L, table, "pin", pins, MOST_NAMES)] = NULL;
  lua_getfield(L, table, "verify");
  bool verify = lua_isnil(L, -1) || lua_toboolean(L, -1);
  lua_pop(L, 1);
  *options = (hf_tls_options){.ca = field(L, table, "ca"),
                              .cert = field(L, table, "cert"),
                              .key = field(L, table, "key"),
                              .key_password = field(L, table, "key_password"),
                              .crl = field(L, table, "crl"),
                              .alpn = names[0] ? names : NULL,
                              .pins = pins[0] ? pins : NULL,
                              .psk_identity = field(L, table, "psk_identity"),
                              .verify = verify};
  const char *ocsp = field(L, table, "ocsp");
  if (ocsp) options->ocsp = strcmp(ocsp, "require") == 0 ? HF_TLS_OCSP_REQUIRE : HF_TLS_OCSP_ASK;
  lua_getfield(L, table, "psk_key");
  if (lua_isstring(L, -1)) options->psk_key.data = lua_tolstring(L, -1, &options->psk_key.length);
  lua_pop(L, 1);
}

static int push_context(lua_State *L, hf_tls_context *context) {
  hf_tls_context **self = hf_lua_newuserdata(L, sizeof *self);
  *self = context;
  luaL_setmetatable(L, context_name);
  return 1;
}

static int context(lua_State *L) { /* context(options) -> context | nil, reason, text */
  hf_tls_options options;
  hf_tls_problem problem = {0};
  const char *names[2 * (MOST_NAMES + 1)];
  luaL_checktype(L, 1, LUA_TTABLE);
  read_options(L, 1, &options, names);
  hf_tls_context *found = hf_tls_context_get(&options, &problem);
  if (found) return push_context(L, found);
  lua_pushnil(L);
  lua_pushstring(L, problem.reason->name);
  lua_pushstring(L, problem.text);
  return 3;
}

static int find(lua_State *L) { /* find(options) -> context | nil */
  hf_tls_options options;
  const char *names[2 * (MOST_NAMES + 1)];
  luaL_checktype(L, 1, LUA_TTABLE);
  read_options(L, 1, &options, names);
  hf_tls_context *found = hf_tls_context_find(&options);
  return found ? push_context(L, found) : 0;
}

static int context_drop(lua_State *L) {
  hf_tls_context **self = luaL_checkudata(L, 1, context_name);
  if (*self) hf_tls_context_drop(*self);
  *self = NULL;
  return 0;
}

static int context_equals(lua_State *L) {
  hf_tls_context **one = luaL_checkudata(L, 1, context_name), **other = luaL_checkudata(L, 2, context_name);
  lua_pushboolean(L, *one == *other);
  return 1;
}

/* ---- streams ---- */

static void changed(void *owner) {
  probe_stream *self = owner;
  self->calls += self->inside;
  if (self->changed == LUA_NOREF) return;
  hf_lua_rawgeti(self->loop->state, LUA_REGISTRYINDEX, self->self);
  hf_probe_loop_call(self->loop, self->changed, 1);
}

/* target.proxy = { to = address, addresses = { ... }, tls = context }; false: there is none. The table keeps it all. */
static bool read_proxy(lua_State *L, hf_stream_proxy *way, hf_proxy *proxy, const char **addresses) {
  lua_getfield(L, 2, "proxy");
  bool given = lua_istable(L, -1);
  if (given) {
    int table = lua_gettop(L);
    const char *to = field(L, table, "to"), *problem = hf_proxy_parse((hf_bytes){to, strlen(to)}, proxy);
    if (problem) luaL_error(L, "proxy %s", problem);
    *way = (hf_stream_proxy){.to = proxy, .addresses = addresses};
    way->address_count = list_field(L, table, "addresses", addresses, MOST_ADDRESSES);
    if (!way->address_count) addresses[way->address_count++] = proxy->host;
    lua_getfield(L, table, "tls");
    if (!lua_isnil(L, -1)) way->tls = *(hf_tls_context **)luaL_checkudata(L, -1, context_name);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return given;
}

static void forget(probe_stream *self, lua_State *L) {
  self->stream = NULL;
  luaL_unref(L, LUA_REGISTRYINDEX, self->changed);
  luaL_unref(L, LUA_REGISTRYINDEX, self->self);
  self->changed = self->self = LUA_NOREF;
}

static int open_stream(lua_State *L) { /* open(loop, target[, changed]) -> stream */
  const char *addresses[MOST_ADDRESSES], *proxy_addresses[MOST_ADDRESSES];
  hf_stream_proxy way;
  hf_proxy proxy;
  hf_probe_loop *loop = hf_probe_loop_check(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  hf_stream_target target = {.host = field(L, 2, "host"), .addresses = addresses};
  target.address_count = list_field(L, 2, "addresses", addresses, MOST_ADDRESSES);
  lua_getfield(L, 2, "port");
  target.port = (uint16_t)luaL_checkinteger(L, -1);
  lua_getfield(L, 2, "tls");
  if (!lua_isnil(L, -1)) target.tls = *(hf_tls_context **)luaL_checkudata(L, -1, context_name);
  if (!target.host) target.host = addresses[0];
  if (read_proxy(L, &way, &proxy, proxy_addresses)) target.proxy = &way;
  target.path = field(L, 2, "path");
  target.headers = field(L, 2, "headers");
  const char *road = field(L, 2, "road");
  target.road = road ? (hf_road)hf_road_find(road) : HF_ROAD_TCP;
  probe_stream *self = hf_lua_newuserdata(L, sizeof *self);
  *self = (probe_stream){.loop = loop, .changed = LUA_NOREF, .done = LUA_NOREF, .self = LUA_NOREF, .inside = true};
  luaL_setmetatable(L, stream_name);
  lua_pushvalue(L, -1);
  self->self = luaL_ref(L, LUA_REGISTRYINDEX);
  if (!lua_isnil(L, 3)) {
    lua_pushvalue(L, 3);
    self->changed = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  self->stream = hf_stream_open(&loop->loop, &target, (hf_stream_watcher){changed, self});
  self->inside = false;
  if (self->stream) return 1;
  forget(self, L);
  return luaL_error(L, "no memory");
}

static int state(lua_State *L) {
  static const char *const names[] = {"opening", "open", "ended"};
  const hf_stream *stream = check_open(L)->stream;
  lua_pushstring(L, names[stream->operations->state(stream)]);
  return 1;
}

static int phase(lua_State *L) {
  static const char *const names[] = {"none", "dns", "tcp", "proxy", "quic", "tls", "websocket", "connack", "up"};
  const hf_stream *stream = check_open(L)->stream;
  lua_pushstring(L, names[stream->operations->phase(stream)]);
  return 1;
}

static int end(lua_State *L) { /* stream:ending() -> reason | nil for in good order, text */
  const hf_stream *stream = check_open(L)->stream;
  hf_stream_end how;
  stream->operations->end(stream, &how);
  if (how.reason)
    lua_pushstring(L, how.reason->name);
  else
    lua_pushnil(L);
  lua_pushstring(L, how.text);
  return 2;
}

static int read_some(lua_State *L) {
  probe_stream *self = check_open(L);
  size_t room = (size_t)luaL_optinteger(L, 2, 65536);
  char *bytes = hf_lua_newuserdata(L, room + 1);
  self->inside = true;
  ptrdiff_t got = self->stream->operations->read(self->stream, bytes, room);
  self->inside = false;
  if (got > 0)
    lua_pushlstring(L, bytes, (size_t)got);
  else if (got < 0)
    lua_pushboolean(L, false);
  else
    lua_pushnil(L);
  return 1;
}

static int pending(lua_State *L) {
  const hf_stream *stream = check_open(L)->stream;
  lua_pushboolean(L, stream->operations->pending(stream));
  return 1;
}

static int write_some(lua_State *L) { /* stream:write(bytes[, from]) -> taken */
  probe_stream *self = check_open(L);
  size_t length, from = (size_t)luaL_optinteger(L, 3, 1) - 1;
  const char *bytes = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, from <= length, 3, "within the bytes");
  self->inside = true;
  lua_pushinteger(L, (lua_Integer)self->stream->operations->write(self->stream, bytes + from, length - from));
  self->inside = false;
  return 1;
}

static int attend(lua_State *L) {
  probe_stream *self = check_open(L);
  self->inside = true;
  self->stream->operations->attend(self->stream, lua_toboolean(L, 2));
  self->inside = false;
  return 0;
}

static int progress(lua_State *L) {
  hf_stream *stream = check_open(L)->stream;
  hf_stream_progress how;
  stream->operations->progress(stream, &how);
  lua_newtable(L);
  const struct {
    const char *name;
    lua_Number value;
  } numbers[] = {{"received", (lua_Number)how.received},
                 {"accepted", (lua_Number)how.accepted},
                 {"acknowledged", (lua_Number)how.acknowledged},
                 {"quiet_for", (lua_Number)how.quiet_for}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    lua_pushnumber(L, numbers[i].value);
    lua_setfield(L, -2, numbers[i].name);
  }
  lua_pushboolean(L, how.unacknowledged);
  lua_setfield(L, -2, "unacknowledged");
  lua_pushboolean(L, how.probing);
  lua_setfield(L, -2, "probing");
  return 1;
}

static void done(void *owner) {
  probe_stream *self = owner;
  lua_State *L = self->loop->state;
  int function = self->done;
  self->calls += self->inside;
  forget(self, L);
  self->done = LUA_NOREF;
  if (function == LUA_NOREF) return;
  hf_probe_loop_call(self->loop, function, 0);
  luaL_unref(L, LUA_REGISTRYINDEX, function);
}

static int finish(lua_State *L) { /* stream:finish(patience[, fn]) */
  probe_stream *self = check_open(L);
  uint32_t patience = (uint32_t)luaL_checkinteger(L, 2);
  if (!lua_isnoneornil(L, 3)) {
    lua_pushvalue(L, 3);
    self->done = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  hf_stream *stream = self->stream;
  self->stream = NULL;
  self->inside = true;
  stream->operations->finish(stream, patience, done);
  self->inside = false;
  return 0;
}

static int abort_now(lua_State *L) {
  probe_stream *self = check_open(L);
  self->stream->operations->abort(self->stream);
  forget(self, L);
  return 0;
}

static int calls_inside(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->calls);
  return 1;
}

static void type(lua_State *L, const char *name, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

/* starve(n): the n-th request for memory from now on fails, 0: none -> whether the one before did */
static int starve(lua_State *L) {
  lua_pushboolean(L, famine_has_failed());
  famine_fail((long)luaL_checkinteger(L, 1));
  return 1;
}

/* ---- for the other end of a WebSocket ---- */

static int websocket_accept(lua_State *L) { /* websocket_accept(key) -> what the server answers to it */
  unsigned char digest[20], text[29];
  lua_settop(L, 1);
  lua_pushliteral(L, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  lua_concat(L, 2);
  EVP_Digest(lua_tostring(L, 1), lua_rawlen(L, 1), digest, NULL, EVP_sha1(), NULL);
  EVP_EncodeBlock(text, digest, sizeof digest);
  lua_pushstring(L, (const char *)text);
  return 1;
}

static int unmask(lua_State *L) { /* unmask(bytes, mask) -> bytes */
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length), *mask = luaL_checkstring(L, 2);
  char *plain = hf_lua_newuserdata(L, length + 1);
  for (size_t i = 0; i < length; i++)
    plain[i] = (char)(bytes[i] ^ mask[i % 4]);
  lua_pushlstring(L, plain, length);
  return 1;
}

static int wishes(lua_State *L) { /* stream:wishes() -> code, seconds to wait, where to go */
  const hf_stream *stream = check_open(L)->stream;
  hf_stream_end how;
  stream->operations->end(stream, &how);
  lua_pushinteger(L, how.code);
  lua_pushinteger(L, (lua_Integer)how.retry_after);
  lua_pushstring(L, how.location);
  return 3;
}

int luaopen_stream_probe(lua_State *L);

int luaopen_stream_probe(lua_State *L) {
  static const luaL_Reg stream_methods[] = {{"state", state},      {"phase", phase},     {"ending", end},
                                            {"wishes", wishes},    {"read", read_some},  {"pending", pending},
                                            {"write", write_some}, {"attend", attend},   {"progress", progress},
                                            {"finish", finish},    {"abort", abort_now}, {"calls_inside", calls_inside},
                                            {NULL, NULL}};
  static const luaL_Reg context_methods[] = {
      {"drop", context_drop}, {"__gc", context_drop}, {"__eq", context_equals}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", open_stream},
                                       {"context", context},
                                       {"find", find},
                                       {"starve", starve},
                                       {"websocket_accept", websocket_accept},
                                       {"unmask", unmask},
                                       {NULL, NULL}};
  type(L, stream_name, stream_methods);
  type(L, context_name, context_methods);
  luaL_newlib(L, functions);
  return 1;
}
