/* What holdfast.core says about topics, filters and server addresses. */
#define _DEFAULT_SOURCE
#include "core/topic.h"

#include <string.h>

#include "core/http.h"
#include "core/proxy.h"
#include "core/uri.h"
#include "lua/pure.h"

static hf_bytes check_bytes(lua_State *L, int index) {
  hf_bytes bytes;
  bytes.data = luaL_checklstring(L, index, &bytes.length);
  return bytes;
}

static int topic_problem(lua_State *L) {
  lua_pushstring(L, hf_topic_name_problem(check_bytes(L, 1)));
  return 1;
}

static int filter_problem(lua_State *L) {
  lua_pushstring(L, hf_topic_filter_problem(check_bytes(L, 1)));
  return 1;
}

static int utf8_problem(lua_State *L) {
  lua_pushstring(L, hf_utf8_problem(check_bytes(L, 1)));
  return 1;
}

static int topic_matches(lua_State *L) {
  lua_pushboolean(L, hf_topic_matches(check_bytes(L, 1), check_bytes(L, 2)));
  return 1;
}

/* header_problem(name, value) -> what is wrong | nil */
static int header_problem(lua_State *L) {
  if (!hf_http_is_name(check_bytes(L, 1)))
    lua_pushliteral(L, "has a name that HTTP does not allow");
  else if (!hf_http_is_value(check_bytes(L, 2)))
    lua_pushliteral(L, "has a value with line breaks or other control characters");
  else
    lua_pushnil(L);
  return 1;
}

/* proxy_problem(address) -> what is wrong, without a word of it | nil */
static int proxy_problem(lua_State *L) {
  hf_proxy proxy;
  lua_pushstring(L, hf_proxy_parse(check_bytes(L, 1), &proxy));
  explicit_bzero(&proxy, sizeof proxy);
  return 1;
}

static int parse_server(lua_State *L) {
  hf_uri uri;
  char problem[HF_URI_PROBLEM];
  const char *wrong = hf_uri_parse(check_bytes(L, 1), &uri, problem);
  if (wrong) {
    lua_pushnil(L);
    lua_pushstring(L, wrong);
    return 2;
  }
  lua_createtable(L, 0, 7);
  lua_pushlstring(L, uri.host.data, uri.host.length);
  lua_setfield(L, -2, "host");
  lua_pushinteger(L, uri.port);
  lua_setfield(L, -2, "port");
  lua_pushboolean(L, uri.tls);
  lua_setfield(L, -2, "tls");
  lua_pushboolean(L, uri.ipv6);
  lua_setfield(L, -2, "ipv6");
  if (uri.service) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "service");
  }
  if (uri.path.data) {
    lua_pushlstring(L, uri.path.data, uri.path.length);
    lua_setfield(L, -2, "path");
  }
  lua_pushstring(L, hf_road_name(uri.road));
  lua_setfield(L, -2, "road");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "text"); /* as the user wrote it, so that events can be compared with the options */
  return 1;
}

static const luaL_Reg functions[] = {{"topic_problem", topic_problem}, {"filter_problem", filter_problem},
                                     {"utf8_problem", utf8_problem},   {"topic_matches", topic_matches},
                                     {"parse_server", parse_server},   {"header_problem", header_problem},
                                     {"proxy_problem", proxy_problem}, {NULL, NULL}};

int hf_lua_open_topic(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return 0;
}
