#include <string.h>

#include "lua/binding.h"

static int bad(lua_State *L, const char *what, const char *name, const char *wanted) {
  return luaL_error(L, "%s: property '%s' must be %s, not a %s", what, name, wanted, luaL_typename(L, -1));
}

static void text(lua_State *L, int index, const char *what, const char *name, hf_bytes *bytes) {
  if (hf_lua_getfield(L, index, name) == LUA_TSTRING)
    bytes->data = lua_tolstring(L, -1, &bytes->length);
  else if (!lua_isnil(L, -1))
    bad(L, what, name, "a string");
  lua_pop(L, 1); /* the table still holds it */
}

static bool number(lua_State *L, int index, const char *what, const char *name, uint32_t *value) {
  int64_t whole = 0;
  bool given = hf_lua_getfield(L, index, name) != LUA_TNIL;
  if (given && (!hf_lua_toint64(L, -1, &whole) || whole < 0 || whole > UINT32_MAX))
    bad(L, what, name, "a whole number of seconds");
  lua_pop(L, 1);
  *value = (uint32_t)whole;
  return given;
}

static void payload_format(lua_State *L, int index, const char *what, hf_properties *properties) {
  if (hf_lua_getfield(L, index, "payload_format") != LUA_TNIL) {
    const char *format = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    bool utf8 = strcmp(format, "utf8") == 0;
    if (!utf8 && strcmp(format, "bytes") != 0) bad(L, what, "payload_format", "\"utf8\" or \"bytes\"");
    properties->payload_format = utf8;
    properties->present |= HF_PROPERTY_PAYLOAD_FORMAT;
  }
  lua_pop(L, 1);
}

/* One { name, value } on the stack's top. */
static hf_user_property pair(lua_State *L, const char *what, int name, int value) {
  hf_user_property property;
  if (lua_type(L, name) != LUA_TSTRING || lua_type(L, value) != LUA_TSTRING)
    luaL_error(L, "%s: user properties must be strings with string names", what);
  property.name.data = lua_tolstring(L, name, &property.name.length);
  property.value.data = lua_tolstring(L, value, &property.value.length);
  return property;
}

static size_t user_list(lua_State *L, int table, const char *what, hf_user_property *user) {
  size_t count = hf_lua_length(L, table);
  for (size_t i = 0; i < count; i++) {
    if (hf_lua_rawgeti(L, table, (int)i + 1) != LUA_TTABLE)
      luaL_error(L, "%s: user property %d must be a { name, value } pair", what, (int)i + 1);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    user[i] = pair(L, what, -2, -1);
    lua_pop(L, 3);
  }
  return count;
}

static size_t user_map(lua_State *L, int table, const char *what, hf_user_property *user) {
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), count++) {
    if (user) user[count] = pair(L, what, -2, -1);
  }
  return count;
}

const hf_properties *hf_lua_check_properties(lua_State *L, int index, const char *what, hf_properties *properties) {
  index = lua_absindex(L, index);
  if (lua_isnoneornil(L, index)) {
    lua_pushnil(L);
    return NULL;
  }
  if (lua_type(L, index) != LUA_TTABLE)
    luaL_error(L, "%s: properties must be a table, not a %s", what, luaL_typename(L, index));
  memset(properties, 0, sizeof *properties);
  text(L, index, what, "content_type", &properties->content_type);
  text(L, index, what, "response_topic", &properties->response_topic);
  text(L, index, what, "correlation_data", &properties->correlation_data);
  if (number(L, index, what, "message_expiry", &properties->message_expiry))
    properties->present |= HF_PROPERTY_MESSAGE_EXPIRY;
  if (number(L, index, what, "will_delay", &properties->will_delay)) properties->present |= HF_PROPERTY_WILL_DELAY;
  payload_format(L, index, what, properties);
  int type = hf_lua_getfield(L, index, "user");
  if (type == LUA_TNIL) return properties;
  if (type != LUA_TTABLE) bad(L, what, "user", "a table");
  int table = lua_gettop(L);
  bool list = hf_lua_length(L, table) > 0;
  size_t count = list ? hf_lua_length(L, table) : user_map(L, table, what, NULL);
  hf_user_property *user = hf_lua_newuserdata(L, (count + 1) * sizeof *user);
  properties->user_count = list ? user_list(L, table, what, user) : user_map(L, table, what, user);
  properties->user = user;
  lua_remove(L, table);
  return properties;
}

static void push_text(lua_State *L, const char *name, hf_bytes bytes) {
  if (!bytes.data) return;
  lua_pushlstring(L, bytes.data, bytes.length);
  lua_setfield(L, -2, name);
}

static void push_number(lua_State *L, const char *name, uint32_t value) {
  hf_lua_pushint64(L, value);
  lua_setfield(L, -2, name);
}

static void push_user(lua_State *L, const hf_properties *properties) {
  lua_createtable(L, (int)properties->user_count, (int)properties->user_count);
  for (size_t i = 0; i < properties->user_count; i++) {
    const hf_user_property *user = &properties->user[i];
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, user->name.data, user->name.length);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, user->value.data, user->value.length);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (int)i + 1);
    lua_pushlstring(L, user->name.data, user->name.length);
    lua_pushlstring(L, user->value.data, user->value.length);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, "user");
}

void hf_lua_push_properties(lua_State *L, const hf_properties *properties) {
  lua_createtable(L, 0, 4);
  push_text(L, "content_type", properties->content_type);
  push_text(L, "response_topic", properties->response_topic);
  push_text(L, "correlation_data", properties->correlation_data);
  push_text(L, "reason_string", properties->reason_string);
  push_text(L, "server_reference", properties->server_reference);
  if (properties->present & HF_PROPERTY_MESSAGE_EXPIRY) push_number(L, "message_expiry", properties->message_expiry);
  if (properties->present & HF_PROPERTY_WILL_DELAY) push_number(L, "will_delay", properties->will_delay);
  if (properties->present & HF_PROPERTY_PAYLOAD_FORMAT) {
    lua_pushstring(L, properties->payload_format ? "utf8" : "bytes");
    lua_setfield(L, -2, "payload_format");
  }
  if (properties->user_count > 0) push_user(L, properties);
  if (properties->subscription_identifier_count > 0) {
    lua_createtable(L, (int)properties->subscription_identifier_count, 0);
    for (size_t i = 0; i < properties->subscription_identifier_count; i++) {
      lua_pushinteger(L, (lua_Integer)properties->subscription_identifiers[i]);
      lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "subscription_identifiers");
  }
}
