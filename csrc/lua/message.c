/* Messages as Lua has them: tables, one by one or a run of them into the arrays of a buffer. */
#include <string.h>

#include "lua/binding.h"

/* What the functions of hf_lua_message_method find in their upvalues, after the metatable of what they belong to. */
enum { TOPIC = 2, PAYLOAD, QOS, RETAIN, DUPLICATE, PROPERTIES, METATABLE };

static const char *const keys[] = {"topic", "payload", "qos", "retain", "duplicate", "properties"};

void hf_lua_message_method(lua_State *L, const char *name, lua_CFunction function) {
  lua_pushvalue(L, -2);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
    lua_pushstring(L, keys[i]);
  luaL_getmetatable(L, HF_LUA_MESSAGE);
  lua_pushcclosure(L, function, METATABLE);
  lua_setfield(L, -2, name);
}

/* Pushes the table; its topic lies at an index. */
static void make(lua_State *L, const hf_message *message, int topic) {
  bool more = message->properties || message->identifier;
  lua_createtable(L, 0, more ? PROPERTIES - 1 : DUPLICATE - 1);
  int table = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(TOPIC));
  lua_pushvalue(L, topic);
  lua_rawset(L, table);
  lua_pushvalue(L, lua_upvalueindex(PAYLOAD));
  lua_pushlstring(L, message->payload.data, message->payload.length);
  lua_rawset(L, table);
  lua_pushvalue(L, lua_upvalueindex(QOS));
  lua_pushinteger(L, message->qos);
  lua_rawset(L, table);
  lua_pushvalue(L, lua_upvalueindex(RETAIN));
  lua_pushboolean(L, message->retain);
  lua_rawset(L, table);
  lua_pushvalue(L, lua_upvalueindex(DUPLICATE));
  lua_pushboolean(L, message->duplicate);
  lua_rawset(L, table);
  if (more) {
    const hf_properties sole = {.subscription_identifiers = &message->identifier, .subscription_identifier_count = 1};
    lua_pushvalue(L, lua_upvalueindex(PROPERTIES));
    hf_lua_push_properties(L, message->properties ? message->properties : &sole);
    lua_rawset(L, table);
  }
  lua_pushvalue(L, lua_upvalueindex(METATABLE));
  lua_setmetatable(L, table);
}

/* As a rule one, and no table to collect; the stack has no room for thousands. */
static void push_wishes(lua_State *L, const hf_message *message) {
  if (message->wish_count == 0) {
    lua_pushnil(L);
  } else if (message->wish_count == 1) {
    lua_pushinteger(L, (lua_Integer)message->wishes[0]);
  } else {
    lua_createtable(L, (int)message->wish_count, 0);
    for (size_t i = 0; i < message->wish_count; i++) {
      lua_pushinteger(L, (lua_Integer)message->wishes[i]);
      lua_rawseti(L, -2, (int)i + 1);
    }
  }
}

int hf_lua_push_message(lua_State *L, const hf_message *message) {
  lua_pushliteral(L, "message");
  lua_pushinteger(L, (lua_Integer)hf_client_id(message->mail.owner));
  lua_pushlstring(L, message->topic.data, message->topic.length);
  make(L, message, lua_gettop(L));
  lua_replace(L, -2);
  push_wishes(L, message);
  hf_lua_pushint64(L, (int64_t)message->number);
  return 5;
}

int hf_lua_push_run(lua_State *L, const hf_message *message, unsigned count) {
  lua_pushliteral(L, "run");
  lua_pushinteger(L, (lua_Integer)hf_client_id(message->mail.owner));
  lua_pushinteger(L, (lua_Integer)message->wishes[0]);
  lua_pushinteger(L, (lua_Integer)count);
  for (unsigned i = 1; i < count; i++)
    message = (const hf_message *)message->mail.next;
  hf_lua_pushint64(L, (int64_t)message->number);
  return 5;
}

/* A topic that is the same as the one before is not made a string of Lua again. */
static bool is_same(hf_bytes one, hf_bytes other) {
  return one.length == other.length && (one.data == other.data || memcmp(one.data, other.data, one.length) == 0);
}

static bool are_alike(const hf_message *message, unsigned count) {
  const hf_message *first = message;
  for (unsigned i = 0; i < count; i++, message = (const hf_message *)message->mail.next) {
    if (message->properties || message->identifier || message->retain || message->duplicate) return false;
    if (message->qos != first->qos || !is_same(message->topic, first->topic)) return false;
  }
  return true;
}

int hf_lua_fill_run(lua_State *L, const hf_message *message, unsigned count, int arrays) {
  int messages = arrays, items = arrays + 1, ends = arrays + 2, topic = arrays + 5;
  lua_Integer room = luaL_checkinteger(L, arrays + 3), last = luaL_checkinteger(L, arrays + 4);
  bool alike = lua_toboolean(L, arrays + 5) && are_alike(message, count);
  lua_settop(L, arrays + 4);
  lua_rawgeti(L, ends, (int)(last % room + 1));
  int64_t end = (int64_t)lua_tonumber(L, -1);
  lua_pop(L, 1);
  lua_Integer qos = message->qos;
  for (const hf_message *former = NULL; count > 0; count--) {
    int place = (int)(++last % room + 1);
    if (!former || !(alike || is_same(former->topic, message->topic))) {
      lua_settop(L, topic - 1);
      lua_pushlstring(L, message->topic.data, message->topic.length);
    }
    if (alike)
      lua_pushlstring(L, message->payload.data, message->payload.length);
    else
      make(L, message, topic);
    lua_rawseti(L, messages, place);
    hf_lua_pushint64(L, (int64_t)message->number);
    lua_rawseti(L, items, place);
    end += (int64_t)(message->topic.length + message->payload.length);
    hf_lua_pushint64(L, end);
    lua_rawseti(L, ends, place);
    former = message;
    message = (const hf_message *)message->mail.next;
  }
  if (!alike) return 0;
  lua_pushinteger(L, qos);
  return 2;
}
