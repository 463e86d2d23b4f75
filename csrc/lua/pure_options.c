/* Options of the pure parts, read from Lua tables. */
#include "lua/pure.h"

#include "sys/entropy.h"

uint64_t hf_lua_whole_field(lua_State *L, int index, const char *name, uint64_t most, uint64_t otherwise) {
  int64_t value = (int64_t)otherwise;
  if (hf_lua_getfield(L, index, name) != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "'%s' must be a whole number, not a %s", name, luaL_typename(L, -1));
    if (!hf_lua_toint64(L, -1, &value) || value < 0 || (uint64_t)value > most)
      luaL_error(L, "'%s' must be a whole number from 0 to %f, not %f", name, (lua_Number)most, lua_tonumber(L, -1));
  }
  lua_pop(L, 1);
  return (uint64_t)value;
}

static float ratio_field(lua_State *L, int index, const char *name) {
  if (hf_lua_getfield(L, index, name) != LUA_TNIL && lua_type(L, -1) != LUA_TNUMBER)
    luaL_error(L, "'%s' must be a number, not a %s", name, luaL_typename(L, -1));
  float value = (float)lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

/* -1 for a name that `find` does not know; the field must be a string. */
static int name_field(lua_State *L, int index, const char *name, int (*find)(const char *)) {
  if (hf_lua_getfield(L, index, name) != LUA_TSTRING)
    luaL_error(L, "'%s' must be a string, not a %s", name, luaL_typename(L, -1));
  int found = find(lua_tostring(L, -1));
  lua_pop(L, 1);
  return found;
}

const char *hf_lua_backoff_options(lua_State *L, int index, hf_backoff_options *options) {
  index = lua_absindex(L, index);
  luaL_checktype(L, index, LUA_TTABLE);
  int strategy = name_field(L, index, "strategy", hf_backoff_strategy_find);
  int jitter = name_field(L, index, "jitter", hf_backoff_jitter_find);
  *options = (hf_backoff_options){
      .min = (uint32_t)hf_lua_whole_field(L, index, "min", UINT32_MAX, 0),
      .max = (uint32_t)hf_lua_whole_field(L, index, "max", UINT32_MAX, 0),
      .step = (uint32_t)hf_lua_whole_field(L, index, "step", UINT32_MAX, 0),
      .window = (uint32_t)hf_lua_whole_field(L, index, "window", UINT32_MAX, 0),
      .at_once = (uint32_t)hf_lua_whole_field(L, index, "at_once", UINT32_MAX, 0),
      .grid = (uint32_t)hf_lua_whole_field(L, index, "grid", UINT32_MAX, 0),
      .habits = (uint8_t)hf_lua_whole_field(L, index, "habits", UINT8_MAX, 0),
      .factor = ratio_field(L, index, "factor"),
      .fraction = ratio_field(L, index, "fraction"),
      .strategy = (uint8_t)(strategy < 0 ? HF_BACKOFF_STRATEGIES : strategy),
      .jitter = (uint8_t)(jitter < 0 ? HF_JITTERS : jitter),
  };
  return hf_backoff_problem(options);
}

static uint8_t class_field(lua_State *L, int index, const char *name, uint8_t otherwise) {
  if (hf_lua_getfield(L, index, name) == LUA_TNIL) {
    lua_pop(L, 1);
    return otherwise;
  }
  lua_pop(L, 1);
  int cls = name_field(L, index, name, hf_class_find);
  if (cls < 0) luaL_error(L, "'%s' must be the name of a class", name);
  return (uint8_t)cls;
}

void hf_lua_class_rules(lua_State *L, int index, hf_class_rule *rules) {
  index = lua_absindex(L, index);
  luaL_checktype(L, index, LUA_TTABLE);
  for (size_t i = 0; i < hf_reason_count(); i++) {
    const hf_reason *row = hf_reason_row(i);
    rules[i] = (hf_class_rule){.cls = row->cls, .later = row->later, .after = row->after};
    if (hf_lua_rawgeti(L, index, (int)i) == LUA_TTABLE) {
      uint8_t cls = class_field(L, lua_gettop(L), "class", row->cls);
      rules[i].cls = cls;
      rules[i].later = class_field(L, lua_gettop(L), "later", cls);
      rules[i].after = (uint8_t)hf_lua_whole_field(L, lua_gettop(L), "after", UINT8_MAX, 0);
      rules[i].own = true;
    }
    lua_pop(L, 1);
  }
}

uint64_t hf_lua_seed(lua_State *L, int index) {
  int64_t seed = 0;
  if (lua_isnoneornil(L, index)) return hf_entropy();
  luaL_argcheck(L, hf_lua_toint64(L, index, &seed), index, "a seed must be a whole number");
  return (uint64_t)seed;
}

void hf_lua_push_names(lua_State *L, const char *(*name)(int)) {
  lua_newtable(L);
  for (int i = 0; name(i); i++) {
    lua_pushstring(L, name(i));
    lua_rawseti(L, -2, i + 1);
  }
}
