/* service_probe: the servers of a service, in which order they are tried and what a name server's answer says of them,
 * as the Lua module `service_probe`. Call on the thread of the lua_State.
 */
#include <stdlib.h>
#include <string.h>

#include "core/service.h"
#include "lua/compat.h"
#include "sys/srv.h"

static void push_servers(lua_State *L, const hf_service_server *servers, size_t count) {
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    lua_pushfstring(L, "%d %d %s:%d", servers[i].priority, servers[i].weight, servers[i].host, servers[i].port);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

/* order(seed, { priority, weight, host }, ...) -> "priority weight host:1" of each, in their order */
static int order(lua_State *L) {
  hf_service service = {0};
  uint64_t random = (uint64_t)luaL_checkinteger(L, 1);
  for (int i = 2; i <= lua_gettop(L); i++) {
    lua_rawgeti(L, i, 1);
    lua_rawgeti(L, i, 2);
    lua_rawgeti(L, i, 3);
    hf_service_server numbers = {(uint16_t)lua_tointeger(L, -3), (uint16_t)lua_tointeger(L, -2), 1, ""};
    hf_service_add(&service, luaL_checkstring(L, -1), numbers, 1);
    lua_pop(L, 3);
  }
  hf_service_order(service.servers, service.count, &random);
  push_servers(L, service.servers, service.count);
  return 1;
}

/* answer(message) -> the servers that it names, their ttl, whether it says that there is no such service; or nil */
static int answer(lua_State *L) {
  size_t length;
  const char *message = luaL_checklstring(L, 1, &length);
  unsigned char *copy = malloc(length ? length : 1); /* so that a checker sees what is read behind its end */
  hf_service service;
  if (!copy) return luaL_error(L, "not enough memory");
  memcpy(copy, message, length);
  hf_network_code problem = hf_srv_read(copy, length, &service);
  free(copy);
  if (problem == HF_NETWORK_NAME_SERVER_FAILING) return 0;
  push_servers(L, service.servers, service.count);
  lua_pushinteger(L, (lua_Integer)service.ttl);
  lua_pushboolean(L, service.absent);
  return 3;
}

int luaopen_service_probe(lua_State *L);

int luaopen_service_probe(lua_State *L) {
  static const luaL_Reg functions[] = {{"order", order}, {"answer", answer}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
