/* Options of any shape: a client, or an error that names what is wrong; never an error of Lua's own, nor of the core's,
 * which is for what the checks let through. */
#include "bytes.h"
#include "lua/compat.h"

int luaopen_holdfast_core(lua_State *L);

static lua_State *prepare(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_holdfast_core);
  lua_setfield(L, -2, "holdfast.core");
  if (luaL_dostring(L, "package.path = './lua/?.lua;./lua/?/init.lua'\n"
                       "return dofile 'spec/fuzz/options.lua'")) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(2);
  }
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (!L) L = prepare();
  lua_pushvalue(L, -1);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    abort();
  }
  return 0;
}
