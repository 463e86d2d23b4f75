/* holdfast.core.engine: the state machine by itself, for any transport. Times in ms on the caller's clock. */
#include "core/engine.h"
#include "lua/binding.h"
#include "lua/pure.h"

static const char TYPE[] = "holdfast.engine";

typedef struct machine {
  hf_engine engine;
  hf_engine_options options;
  hf_class_rule rules[]; /* hf_reason_count() of them, when the options have any */
} machine;

static const struct {
  unsigned bit;
  const char *word;
} words[] = {
    /* in the order in which they are to be done, then told */
    {HF_DO_ABANDON, "abandon"},
    {HF_DO_DISCONNECT, "disconnect"},
    {HF_DO_CONNECT, "connect"},
    {HF_DO_PROBE, "probe"},
    {HF_TELL_STABLE, "tell_stable"},
    {HF_TELL_FAILED, "tell_failed"},
    {HF_TELL_LOST, "tell_lost"},
    {HF_TELL_SLEEPING, "tell_sleeping"},
    {HF_TELL_CONNECTING, "tell_connecting"},
    {HF_TELL_CONNECTED, "tell_connected"},
    {HF_TELL_CLOSED, "tell_closed"},
};

static void push_actions(lua_State *L, unsigned actions) {
  int count = 0;
  lua_newtable(L);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (!(actions & words[i].bit)) continue;
    lua_pushstring(L, words[i].word);
    lua_rawseti(L, -2, ++count);
  }
}

static machine *check(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE);
}

static int64_t check_time(lua_State *L, int index) {
  int64_t now = 0;
  luaL_argcheck(L, hf_lua_toint64(L, index, &now), index, "a time must be a whole number of ms");
  return now;
}

static hf_backoff_options backoff_field(lua_State *L, const char *name) {
  hf_backoff_options options;
  if (hf_lua_getfield(L, 1, name) != LUA_TTABLE)
    luaL_error(L, "'%s' must be a table, not a %s", name, luaL_typename(L, -1));
  const char *problem = hf_lua_backoff_options(L, -1, &options);
  if (problem) luaL_error(L, "'%s': %s", name, problem);
  lua_pop(L, 1);
  return options;
}

static int new_engine(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  uint64_t seed = hf_lua_seed(L, 2);
  int64_t now = check_time(L, 3);
  bool ruled = hf_lua_getfield(L, 1, "rules") != LUA_TNIL;
  machine *self = hf_lua_newuserdata(L, sizeof *self + (ruled ? hf_reason_count() * sizeof(hf_class_rule) : 0));
  if (ruled) hf_lua_class_rules(L, -2, self->rules);
  self->options = (hf_engine_options){
      .backoff = backoff_field(L, "backoff"),
      .slow = backoff_field(L, "slow"),
      .rules = ruled ? self->rules : NULL,
      .connect_timeout = (uint32_t)hf_lua_whole_field(L, 1, "connect_timeout", UINT32_MAX, 10000),
      .stable_after = (uint32_t)hf_lua_whole_field(L, 1, "stable_after", UINT32_MAX, 10000),
      .max_attempts = (uint32_t)hf_lua_whole_field(L, 1, "max_attempts", UINT32_MAX, 0),
      .sleep_for = (uint32_t)hf_lua_whole_field(L, 1, "sleep_for", UINT32_MAX, 0),
      .pairs = (uint64_t)hf_lua_whole_field(L, 1, "pairs", UINT32_MAX, 0),
      .server_count = (uint16_t)hf_lua_whole_field(L, 1, "server_count", UINT16_MAX, 1),
  };
  if (self->options.server_count == 0) luaL_error(L, "'server_count' must be at least 1");
  hf_engine_init(&self->engine, &self->options, seed, now);
  luaL_setmetatable(L, TYPE);
  return 1;
}

static int step(lua_State *L) {
  machine *self = check(L);
  int64_t now = check_time(L, 2), number = 0;
  int input = hf_input_find(luaL_checkstring(L, 3));
  luaL_argcheck(L, input >= 0, 3, "no such input");
  hf_engine_event event = {.input = (hf_input)input};
  if (input == HF_INPUT_FAILED || input == HF_INPUT_LOST || input == HF_INPUT_HOLD) {
    int source = hf_source_find(luaL_checkstring(L, 4));
    luaL_argcheck(L, source >= 0, 4, "no such source");
    luaL_argcheck(L, hf_lua_toint64(L, 5, &number) && number >= INT16_MIN && number <= INT16_MAX, 5,
                  "a code must be a whole number of 16 bits");
    event.code = (int)number;
    event.reason = hf_reason_find((hf_source)source, event.code);
  } else if (input == HF_INPUT_CONNECTED) {
    event.second = lua_toboolean(L, 4);
  } else if (input == HF_INPUT_DELAY) {
    luaL_argcheck(L, hf_lua_toint64(L, 4, &number) && number >= 0 && number <= UINT32_MAX, 4,
                  "a delay must be a whole number of ms");
    event.delay = (uint32_t)number;
  }
  push_actions(L, hf_engine_step(&self->engine, now, event));
  return 1;
}

static void set_number(lua_State *L, const char *name, int64_t value) {
  hf_lua_pushint64(L, value);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_reason(lua_State *L, const char *name, const hf_reason *reason, int cls, int code) {
  if (!reason) return;
  hf_lua_push_reason(L, reason, cls, code, NULL);
  lua_setfield(L, -2, name);
}

static int state(lua_State *L) {
  const hf_engine *engine = &check(L)->engine;
  const hf_reason *asleep = hf_engine_sleep_reason(engine);
  lua_createtable(L, 0, 14);
  lua_pushstring(L, hf_state_name(engine->state));
  lua_setfield(L, -2, "state");
  set_number(L, "server", engine->server + 1);
  set_number(L, "attempt", engine->attempt);
  set_number(L, "delay", engine->delay);
  set_number(L, "since", engine->since);
  set_number(L, "down_since", engine->down_since);
  set_number(L, "repeats", engine->repeats);
  if (engine->deadline != HF_NEVER) set_number(L, "deadline", engine->deadline);
  set_flag(L, "held", engine->held);
  set_flag(L, "stable", engine->stable);
  if (engine->reason) {
    lua_pushstring(L, hf_class_name(engine->cls));
    lua_setfield(L, -2, "class");
  }
  set_reason(L, "reason", engine->reason, engine->cls, engine->code);
  set_reason(L, "sleep_reason", asleep, HF_CLASS_STOP,
             asleep == engine->reason ? engine->code
             : asleep                 ? asleep->code
                                      : 0);
  return 1;
}

static int describe(lua_State *L) {
  const hf_engine *engine = &check(L)->engine;
  lua_pushfstring(L, "%s (%s, attempt %f)", TYPE, hf_state_name(engine->state), (lua_Number)engine->attempt);
  return 1;
}

static int table_of(lua_State *L) {
  int count = 0;
  lua_newtable(L);
  for (int from = 0; from < HF_STATES; from++) {
    for (int input = 0; input < HF_COLUMNS; input++) {
      hf_state next;
      unsigned actions;
      if (!hf_engine_row((hf_state)from, (hf_input)input, &next, &actions)) continue;
      lua_createtable(L, 0, 4);
      lua_pushstring(L, hf_state_name(from));
      lua_setfield(L, -2, "state");
      lua_pushstring(L, hf_input_name(input));
      lua_setfield(L, -2, "input");
      lua_pushstring(L, hf_state_name((int)next));
      lua_setfield(L, -2, "next");
      push_actions(L, actions);
      lua_setfield(L, -2, "actions");
      lua_rawseti(L, -2, ++count);
    }
  }
  return 1;
}

static const luaL_Reg methods[] = {{"step", step}, {"state", state}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", new_engine}, {"table", table_of}, {NULL, NULL}};

int hf_lua_open_engine(lua_State *L) {
  luaL_newmetatable(L, TYPE);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, describe);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
