/* holdfast.core.backoff: delays in ms, by themselves. */
#include "lua/pure.h"

static const char TYPE[] = "holdfast.backoff";

typedef struct backoff {
  hf_backoff_options options;
  hf_backoff state;
} backoff;

static backoff *check(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE);
}

static int new_backoff(lua_State *L) {
  hf_backoff_options options;
  const char *problem = hf_lua_backoff_options(L, 1, &options);
  if (problem) return luaL_argerror(L, 1, problem);
  uint64_t seed = hf_lua_seed(L, 2);
  backoff *self = hf_lua_newuserdata(L, sizeof *self);
  self->options = options;
  hf_backoff_init(&self->state, seed);
  luaL_setmetatable(L, TYPE);
  return 1;
}

static int problem_of(lua_State *L) {
  hf_backoff_options options;
  lua_pushstring(L, hf_lua_backoff_options(L, 1, &options));
  return 1;
}

static int next_delay(lua_State *L) {
  backoff *self = check(L);
  uint32_t delay;
  if (hf_backoff_next(&self->options, &self->state, &delay))
    hf_lua_pushint64(L, delay);
  else
    lua_pushnil(L);
  return 1;
}

static int reset(lua_State *L) {
  hf_backoff_reset(&check(L)->state);
  return 0;
}

static int interval(lua_State *L) {
  backoff *self = check(L);
  uint32_t low, high;
  hf_backoff_interval(&self->options, &self->state, &low, &high);
  hf_lua_pushint64(L, low);
  hf_lua_pushint64(L, high);
  return 2;
}

static int preview(lua_State *L) {
  enum { MOST = 1000000 };
  backoff *self = check(L);
  int64_t count = 0;
  luaL_argcheck(L, hf_lua_toint64(L, 2, &count) && count >= 0 && count <= MOST, 2,
                "wants a whole number from 0 to 1,000,000");
  hf_backoff ahead = self->state;
  uint32_t delay;
  lua_createtable(L, (int)count, 0);
  for (int i = 1; i <= count && hf_backoff_next(&self->options, &ahead, &delay); i++) {
    hf_lua_pushint64(L, delay);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

static int describe(lua_State *L) {
  backoff *self = check(L);
  lua_pushfstring(L, "%s (%s, jitter %s, %f to %f ms, %f drawn)", TYPE,
                  hf_backoff_strategy_name(self->options.strategy), hf_backoff_jitter_name(self->options.jitter),
                  (lua_Number)self->options.min, (lua_Number)self->options.max, (lua_Number)self->state.steps);
  return 1;
}

static const luaL_Reg methods[] = {
    {"next", next_delay}, {"reset", reset}, {"interval", interval}, {"preview", preview}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", new_backoff}, {"problem", problem_of}, {NULL, NULL}};

int hf_lua_open_backoff(lua_State *L) {
  luaL_newmetatable(L, TYPE);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, describe);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  hf_lua_push_names(L, hf_backoff_strategy_name);
  lua_setfield(L, -2, "strategies");
  hf_lua_push_names(L, hf_backoff_jitter_name);
  lua_setfield(L, -2, "jitters");
  return 1;
}
