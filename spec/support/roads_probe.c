/* roads_probe: what a keeper remembers of roads (core/roads), as the Lua module `roads_probe`, in one memory that
 * `forget` empties. Call on one thread. */
#include "core/roads.h"
#include "lua/compat.h"

static hf_roads roads;

static uint16_t port_of(lua_State *L) {
  return (uint16_t)luaL_checkinteger(L, 2);
}

/* note(host, port, now), blocked(host, port, now) -> boolean, clear(host, port), forget() */
static int note(lua_State *L) {
  hf_roads_note(&roads, luaL_checkstring(L, 1), port_of(L), (int64_t)luaL_checknumber(L, 3));
  return 0;
}

static int blocked(lua_State *L) {
  lua_pushboolean(L, hf_roads_blocked(&roads, luaL_checkstring(L, 1), port_of(L), (int64_t)luaL_checknumber(L, 3)));
  return 1;
}

static int clear(lua_State *L) {
  hf_roads_clear(&roads, luaL_checkstring(L, 1), port_of(L));
  return 0;
}

static int forget(lua_State *L) {
  (void)L;
  hf_roads_forget(&roads);
  return 0;
}

int luaopen_roads_probe(lua_State *L);

int luaopen_roads_probe(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"note", note}, {"blocked", blocked}, {"clear", clear}, {"forget", forget}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
