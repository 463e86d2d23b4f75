/* link_arguments.h: what a spec gives a probe of links, read from its tables.
 *
 * Strings stay the tables' own. Included by link_probe.c and native_probe.c; the Lua thread.
 */
#ifndef HF_SPEC_LINK_ARGUMENTS_H
#define HF_SPEC_LINK_ARGUMENTS_H

#include <string.h>

#include "core/properties.h"
#include "link/link.h"
#include "lua/compat.h"
#include "stream/quic.h"

static inline const char *text_field(lua_State *L, int table, const char *name, const char *otherwise) {
  const char *text = hf_lua_getfield(L, table, name) == LUA_TNIL ? otherwise : lua_tostring(L, -1);
  lua_pop(L, 1); /* the table keeps it */
  return text;
}

static inline hf_bytes bytes_field(lua_State *L, int table, const char *name) {
  hf_bytes bytes = {NULL, 0};
  if (hf_lua_getfield(L, table, name) == LUA_TSTRING) bytes.data = lua_tolstring(L, -1, &bytes.length);
  lua_pop(L, 1);
  return bytes;
}

static inline uint32_t number_field(lua_State *L, int table, const char *name, uint32_t otherwise) {
  uint32_t number = hf_lua_getfield(L, table, name) == LUA_TNIL ? otherwise : (uint32_t)lua_tonumber(L, -1);
  lua_pop(L, 1);
  return number;
}

static inline bool flag_field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

enum { MOST_USER = 32 };

typedef struct hf_given_properties {
  hf_properties properties;
  hf_user_property user[MOST_USER];
} hf_given_properties;

static inline void read_user(lua_State *L, int list, hf_given_properties *given) {
  for (size_t i = 0; i < lua_rawlen(L, list) && i < MOST_USER; i++) {
    hf_lua_rawgeti(L, list, (int)i + 1);
    hf_lua_rawgeti(L, -1, 1);
    hf_lua_rawgeti(L, -2, 2);
    hf_user_property *user = &given->user[given->properties.user_count++];
    user->name.data = lua_tolstring(L, -2, &user->name.length);
    user->value.data = lua_tolstring(L, -1, &user->value.length);
    lua_pop(L, 3);
  }
}

static inline const hf_properties *read_properties(lua_State *L, int table, hf_given_properties *given) {
  memset(given, 0, sizeof *given);
  hf_properties *properties = &given->properties;
  if (lua_type(L, table) != LUA_TTABLE) return NULL;
  properties->content_type = bytes_field(L, table, "content_type");
  properties->response_topic = bytes_field(L, table, "response_topic");
  properties->correlation_data = bytes_field(L, table, "correlation_data");
  if (hf_lua_getfield(L, table, "message_expiry") != LUA_TNIL) properties->present |= HF_PROPERTY_MESSAGE_EXPIRY;
  properties->message_expiry = (uint32_t)lua_tonumber(L, -1);
  if (hf_lua_getfield(L, table, "payload_format") != LUA_TNIL) properties->present |= HF_PROPERTY_PAYLOAD_FORMAT;
  properties->payload_format = (uint8_t)lua_tointeger(L, -1);
  if (hf_lua_getfield(L, table, "will_delay") != LUA_TNIL) properties->present |= HF_PROPERTY_WILL_DELAY;
  properties->will_delay = (uint32_t)lua_tonumber(L, -1);
  if (hf_lua_getfield(L, table, "user") == LUA_TTABLE) read_user(L, lua_gettop(L), given);
  lua_pop(L, 4);
  properties->user = given->user;
  return properties;
}

typedef struct hf_given_proxy {
  hf_proxy to;
  hf_link_tls tls;
  const char *address;
} hf_given_proxy;

/* table.proxy, an address on loopback, and table.proxy_ca, whom to trust that it is there. */
static inline void read_proxy(lua_State *L, int table, hf_given_proxy *given, hf_link_attempt *attempt) {
  const char *text = text_field(L, table, "proxy", NULL);
  if (!text) return;
  const char *problem = hf_proxy_parse((hf_bytes){text, strlen(text)}, &given->to);
  if (problem) luaL_error(L, "proxy %s", problem);
  given->tls = (hf_link_tls){.ca = text_field(L, table, "proxy_ca", NULL), .verify = true};
  given->address = "127.0.0.1";
  attempt->proxy = &given->to;
  attempt->proxy_addresses = &given->address;
  attempt->proxy_address_count = 1;
  attempt->proxy_tls = given->to.tls ? &given->tls : NULL;
}

/* join_quic(part of holdfast.quic) */
static inline int join_quic(lua_State *L) {
  char problem[HF_QUIC_PROBLEM];
  if (!hf_quic_join(lua_touserdata(L, 1), problem)) return luaL_error(L, "%s", problem);
  return 0;
}

#endif
