/* holdfast.quic: a shared object of its own (csrc/quic), which hands what it can do to holdfast.core. */
#include "lua/compat.h"
#include "quic/part.h"

__attribute__((visibility("default"))) int luaopen_holdfast_quic(lua_State *L);

/* -> what core.join_quic wants, and what it is made of */
int luaopen_holdfast_quic(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushlightuserdata(L, (void *)&hf_quic_part_here);
  lua_setfield(L, -2, "part");
  lua_pushstring(L, hf_quic_part_here.made_of);
  lua_setfield(L, -2, "made_of");
  return 1;
}
