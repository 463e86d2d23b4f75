/* The short way of `post` and `publish`: where everything is as it is nearly always, options are read and checked here,
 * in one look at each, and the message is posted. Whatever else there is (properties, a metatable, a default, a
 * mistake, no room) is left to the long way, in lua/holdfast/publish.lua, as if nothing had been tried. */
#include <string.h>

#include "core/topic.h"
#include "keeper/lead.h"
#include "lua/handle.h"
#include "sys/thread.h"

enum { LONG_WAY = 1, HANDLE, DEFAULTS, CALL }; /* upvalues: a function, and strings */

/* Of publish.lua and of schema.lua. */
enum { PACKET_MOST = 268435455, HEADER = 2 + 2 + 4, SECONDS_MOST = 4294967 };

typedef struct plain {
  hf_client *client;
  hf_post post;
  lua_Number timeout; /* seconds; below 0: none */
} plain;

/* The field of the table at `index` under the name that is an upvalue, pushed. */
static int raw_field(lua_State *L, int index, int name) {
  lua_pushvalue(L, lua_upvalueindex(name));
  return hf_lua_rawget(L, index);
}

/* Leaves one value. */
static hf_lua_handle *handle_of(lua_State *L) {
  if (lua_type(L, 1) != LUA_TTABLE || raw_field(L, 1, HANDLE) != LUA_TUSERDATA) return NULL;
  hf_lua_handle *handle = lua_touserdata(L, -1);
  if (lua_rawlen(L, -1) != sizeof *handle) return NULL;
  return handle->self == handle && handle->client ? handle : NULL;
}

/* Nothing in client.defaults for this call. Leaves up to two values. */
static bool has_no_defaults(lua_State *L) {
  int type = raw_field(L, 1, DEFAULTS);
  if (type != LUA_TTABLE) return type == LUA_TNIL;
  lua_pushvalue(L, lua_upvalueindex(CALL));
  lua_gettable(L, -2);
  return lua_isnil(L, -1);
}

static bool is_seconds(lua_State *L, lua_Number *seconds) {
  if (lua_type(L, -1) != LUA_TNUMBER) return false;
  *seconds = lua_tonumber(L, -1);
  return *seconds >= 0 && *seconds <= SECONDS_MOST;
}

static bool is(hf_bytes name, const char *known) {
  return name.length == strlen(known) && memcmp(name.data, known, name.length) == 0;
}

/* One option; its value is on the stack's top, its name below. */
static bool take_option(lua_State *L, plain *as, bool waits) {
  if (lua_type(L, -2) != LUA_TSTRING) return false;
  hf_bytes name;
  name.data = lua_tolstring(L, -2, &name.length);
  if (is(name, "qos")) {
    if (lua_type(L, -1) != LUA_TNUMBER) return false;
    lua_Number qos = lua_tonumber(L, -1);
    as->post.qos = qos >= 2 ? 2 : qos >= 1 ? 1 : 0;
    return qos >= as->post.qos && qos <= as->post.qos;
  }
  if (is(name, "retain")) {
    as->post.retain = lua_toboolean(L, -1);
    return lua_type(L, -1) == LUA_TBOOLEAN;
  }
  if (is(name, "ttl")) {
    lua_Number ttl;
    if (!is_seconds(L, &ttl) || !(ttl > 0)) return false;
    as->post.ttl = ttl > 0.0005 ? (int64_t)(ttl * 1000 + 0.5) : 1;
    return true;
  }
  return waits && is(name, "timeout") && is_seconds(L, &as->timeout);
}

static bool take_options(lua_State *L, plain *as, bool waits) {
  int type = lua_type(L, 4);
  if (type == LUA_TNIL) return true;
  if (type != LUA_TTABLE || lua_getmetatable(L, 4)) return false;
  bool fine = true;
  for (lua_pushnil(L); fine && lua_next(L, 4); lua_pop(L, 1))
    fine = take_option(L, as, waits);
  return fine;
}

static bool take_bytes(lua_State *L, int index, hf_bytes *bytes) {
  if (lua_type(L, index) != LUA_TSTRING) return false;
  bytes->data = lua_tolstring(L, index, &bytes->length);
  return true;
}

/* As nearly all are; the other good ones take longer. */
static bool is_plain_topic(hf_bytes topic) {
  for (size_t i = 0; i < topic.length; i++) {
    char c = topic.data[i];
    if (c < ' ' || c > '~' || c == '+' || c == '#') return hf_topic_name_problem(topic) == NULL;
  }
  return topic.length > 0 && topic.length <= UINT16_MAX;
}

/* Most are the one before. */
static bool is_good_topic(hf_lua_handle *handle, hf_bytes topic) {
  bool known = topic.length > 0 && topic.length == handle->known_length;
  if (known && memcmp(topic.data, handle->known, topic.length) == 0) return true;
  if (!is_plain_topic(topic)) return false;
  if (topic.length > HF_LUA_KNOWN) return true;
  memcpy(handle->known, topic.data, topic.length);
  handle->known_length = (uint8_t)topic.length;
  return true;
}

static bool take_message(lua_State *L, hf_lua_handle *handle, hf_post *post) {
  return take_bytes(L, 2, &post->topic) && take_bytes(L, 3, &post->payload) && is_good_topic(handle, post->topic) &&
         post->topic.length + post->payload.length + HEADER <= PACKET_MOST;
}

/* Leaves a few values. */
static bool read(lua_State *L, plain *as, bool waits) {
  if (lua_gettop(L) != 4) lua_settop(L, 4);
  hf_lua_handle *handle = handle_of(L);
  if (!handle || (waits && handle->wary) || hf_thread_forked()) return false;
  *as = (plain){.client = handle->client, .post = {.ttl = handle->ttl}, .timeout = -1};
  if (handle->told || waits) as->post.flags = HF_PUBLISH_NOTIFY | (waits ? HF_PUBLISH_AWAITED : 0u);
  return take_message(L, handle, &as->post) && take_options(L, as, waits) && has_no_defaults(L);
}

/* False: it has not been accepted. */
static bool send(const plain *as, uint64_t *id) {
  hf_lead_posted();
  return hf_client_post_copy(as->client, &as->post, id) == HF_ADMITTED;
}

/* post(client, topic, payload, options), as in publish.lua, which is called where this is not enough. */
static int post(lua_State *L) {
  plain as;
  uint64_t id;
  if (read(L, &as, false) && send(&as, &id)) {
    hf_lua_pushint64(L, (int64_t)id);
    return 1;
  }
  lua_settop(L, 4);
  lua_pushvalue(L, lua_upvalueindex(LONG_WAY));
  lua_insert(L, 1);
  lua_call(L, 4, LUA_MULTRET);
  return lua_gettop(L);
}

/* plain_publish(client, topic, payload, options) -> id, timeout (seconds) or nil; or nothing, and then nothing has
 * happened. The caller waits for the outcome. */
static int plain_publish(lua_State *L) {
  plain as;
  uint64_t id;
  if (!read(L, &as, true) || !send(&as, &id)) return 0;
  hf_lua_pushint64(L, (int64_t)id);
  if (as.timeout < 0) return 1;
  lua_pushnumber(L, as.timeout);
  return 2;
}

/* Pushes a closure of the value at the top, which it takes. */
static void push(lua_State *L, lua_CFunction function, const char *call) {
  const char *const names[] = {"handle", "defaults", call};
  int count = (int)(sizeof names / sizeof *names);
  for (int i = 0; i < count; i++)
    lua_pushstring(L, names[i]);
  lua_pushcclosure(L, function, LONG_WAY + count);
}

/* poster(fn) -> post, with `fn` for the long way */
static int poster(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  push(L, post, "post");
  return 1;
}

/* posting(told): whether anybody hears of the outcome of what is posted from now on by the short way. */
static int posting(lua_State *L) {
  hf_lua_handle *handle = luaL_checkudata(L, 1, HF_LUA_CLIENT);
  handle->told = lua_toboolean(L, 2);
  return 0;
}

/* beware(wary): whether a publish takes the long way, since somebody may stand in the line for room, or the client may
 * ask something whose answer is what calls. */
static int beware(lua_State *L) {
  hf_lua_handle *handle = luaL_checkudata(L, 1, HF_LUA_CLIENT);
  handle->wary = lua_toboolean(L, 2);
  return 0;
}

void hf_lua_plain_methods(lua_State *L) {
  lua_pushcfunction(L, posting);
  lua_setfield(L, -2, "posting");
  lua_pushcfunction(L, beware);
  lua_setfield(L, -2, "beware");
}

void hf_lua_open_plain(lua_State *L) {
  lua_pushcfunction(L, poster);
  lua_setfield(L, -2, "poster");
  lua_pushboolean(L, 0);
  push(L, plain_publish, "publish");
  lua_setfield(L, -2, "plain_publish");
}
