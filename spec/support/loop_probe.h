/* loop_probe.h: the loop of loop_probe, as the other probes that live on it see it.
 *
 * The userdata "loop_probe.loop" is the struct; the Lua state owns it. Functions that the loop calls run in the state
 * that turns it; what they throw is thrown by `turn`, once it is over.
 */
#ifndef HF_SPEC_SUPPORT_LOOP_PROBE_H
#define HF_SPEC_SUPPORT_LOOP_PROBE_H

#include "lua/compat.h"
#include "sys/loop.h"

#define HF_PROBE_LOOP "loop_probe.loop"

typedef struct hf_probe_loop {
  hf_loop loop;
  lua_State *state; /* that turns it */
  int problem;      /* registry: the first thing thrown; LUA_NOREF */
} hf_probe_loop;

static inline hf_probe_loop *hf_probe_loop_check(lua_State *L, int index) {
  return luaL_checkudata(L, index, HF_PROBE_LOOP);
}

/* Calls the function of the registry with `arguments` values from the top of the state's stack. */
static inline void hf_probe_loop_call(hf_probe_loop *self, int function, int arguments) {
  lua_State *L = self->state;
  hf_lua_rawgeti(L, LUA_REGISTRYINDEX, function);
  lua_insert(L, -1 - arguments);
  if (lua_pcall(L, arguments, 0, 0) == LUA_OK) return;
  if (self->problem == LUA_NOREF)
    self->problem = luaL_ref(L, LUA_REGISTRYINDEX);
  else
    lua_pop(L, 1);
}

#endif
