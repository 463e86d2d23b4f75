/* holdfast.core.claim: a name that one holder on this machine has at a time. */
#include "sys/claim.h"

#include <unistd.h>

#include "lua/binding.h"

#define CLAIM "holdfast.claim"

static int release(lua_State *L) {
  int *fd = luaL_checkudata(L, 1, CLAIM);
  if (*fd >= 0) close(*fd);
  *fd = HF_CLAIM_UNKNOWN;
  return 0;
}

/* claim(name) -> what holds it until its release() or collection, or nil and whether it is taken */
static int claim(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, length <= HF_CLAIM_LONGEST, 1, "too long");
  int *fd = hf_lua_newuserdata(L, sizeof *fd);
  *fd = HF_CLAIM_UNKNOWN;
  luaL_setmetatable(L, CLAIM);
  int got = hf_claim(name, length);
  if (got >= 0) {
    *fd = got;
    return 1;
  }
  lua_pushnil(L);
  lua_pushboolean(L, got == HF_CLAIM_TAKEN);
  return 2;
}

void hf_lua_open_claim(lua_State *L) {
  luaL_newmetatable(L, CLAIM);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, release);
  lua_setfield(L, -2, "release");
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, release);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushcfunction(L, claim);
  lua_setfield(L, -2, "claim");
}
