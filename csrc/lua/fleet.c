/* holdfast.core.fleet: the simulation of a fleet, in ms. */
#include "core/fleet.h"

#include <stdlib.h>

#include "lua/pure.h"
#include "sys/memory.h"

static const char TYPE[] = "holdfast.fleet";

typedef struct simulation {
  hf_fleet_options options;
  hf_fleet *fleet;      /* NULL once its result has been taken */
  void *memory;         /* of `fleet` */
  hf_class_rule *rules; /* of the policy, or NULL */
  size_t size;
  hf_fleet_broker_options servers[];
} simulation;

static double real_field(lua_State *L, int index, const char *name) {
  if (hf_lua_getfield(L, index, name) != LUA_TNIL && lua_type(L, -1) != LUA_TNUMBER)
    luaL_error(L, "'%s' must be a number, not a %s", name, luaL_typename(L, -1));
  double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static bool flag_field(lua_State *L, int index, const char *name) {
  hf_lua_getfield(L, index, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static uint32_t whole_field(lua_State *L, int index, const char *name, uint32_t otherwise) {
  return (uint32_t)hf_lua_whole_field(L, index, name, UINT32_MAX, otherwise);
}

static hf_backoff_options backoff_field(lua_State *L, int index, const char *name) {
  hf_backoff_options options;
  hf_lua_getfield(L, index, name);
  const char *problem = hf_lua_backoff_options(L, lua_gettop(L), &options);
  if (problem) luaL_error(L, "'%s': %s", name, problem);
  lua_pop(L, 1);
  return options;
}

static hf_fleet_broker_options server_at(lua_State *L, int index) {
  return (hf_fleet_broker_options){
      .accept_rate = real_field(L, index, "accept_rate"),
      .accept_queue = whole_field(L, index, "accept_queue", 0),
      .down_at = whole_field(L, index, "down_at", 0),
      .outage = whole_field(L, index, "outage", 0),
      .silent = flag_field(L, index, "silent"),
      .drop_for = whole_field(L, index, "drop_for", 0),
      .drop_after = whole_field(L, index, "drop_after", 0),
      .busy_above = real_field(L, index, "busy_above"),
      .busy_code = (int16_t)hf_lua_whole_field(L, index, "busy_code", INT16_MAX, 0),
  };
}

static simulation *push_simulation(lua_State *L) {
  enum { MOST_SERVERS = 1000 };
  if (hf_lua_getfield(L, 1, "servers") != LUA_TTABLE) luaL_error(L, "'servers' must be a table");
  size_t count = hf_lua_length(L, -1);
  if (count < 1 || count > MOST_SERVERS) luaL_error(L, "'servers' must have 1 to 1,000 entries");
  simulation *self = hf_lua_newuserdata(L, sizeof *self + count * sizeof self->servers[0]);
  *self = (simulation){.options = {.engine.server_count = (uint16_t)count}};
  luaL_setmetatable(L, TYPE);
  for (size_t i = 0; i < count; i++) {
    if (hf_lua_rawgeti(L, -2, (int)i + 1) != LUA_TTABLE) luaL_error(L, "'servers' must hold tables");
    self->servers[i] = server_at(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  return self;
}

static void read_options(lua_State *L, simulation *self) {
  hf_fleet_options *options = &self->options;
  *options = (hf_fleet_options){
      .engine =
          {
              .backoff = backoff_field(L, 1, "backoff"),
              .slow = backoff_field(L, 1, "slow"),
              .connect_timeout = whole_field(L, 1, "connect_timeout", 10000),
              .stable_after = whole_field(L, 1, "stable_after", 10000),
              .max_attempts = whole_field(L, 1, "max_attempts", 0),
              .sleep_for = whole_field(L, 1, "sleep_for", 0),
              .server_count = options->engine.server_count,
          },
      .servers = self->servers,
      .budget_rate = real_field(L, 1, "budget_rate"),
      .budget_burst = real_field(L, 1, "budget_burst"),
      .restart_share = real_field(L, 1, "restart_share"),
      .restart_from = whole_field(L, 1, "restart_from", 0),
      .restart_to = whole_field(L, 1, "restart_to", 0),
      .clients = whole_field(L, 1, "clients", 0),
      .per_process = whole_field(L, 1, "per_process", 1),
      .latency = whole_field(L, 1, "latency", 0),
      .stagger = whole_field(L, 1, "stagger", 0),
      .horizon = whole_field(L, 1, "horizon", 0),
      .resend = flag_field(L, 1, "resend"),
      .seed = hf_lua_seed(L, 2),
  };
}

static void read_rules(lua_State *L, simulation *self) {
  if (hf_lua_getfield(L, 1, "rules") != LUA_TNIL) {
    self->rules = malloc(hf_reason_count() * sizeof *self->rules);
    if (!self->rules) luaL_error(L, "not enough memory");
    hf_lua_class_rules(L, -1, self->rules);
    self->options.engine.rules = self->rules;
  }
  lua_pop(L, 1);
}

static int new_fleet(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  simulation *self = push_simulation(L);
  read_options(L, self);
  read_rules(L, self);
  const char *problem = hf_fleet_problem(&self->options);
  if (problem) return luaL_argerror(L, 1, problem);
  self->size = hf_fleet_size(&self->options);
  self->memory = hf_large_block(self->size);
  if (!self->memory) {
    lua_pushnil(L);
    return 1;
  }
  self->fleet = hf_fleet_init(self->memory, &self->options);
  return 1;
}

static simulation *check(lua_State *L) {
  simulation *self = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, self->fleet, 1, "its result has been taken");
  return self;
}

static int run(lua_State *L) {
  simulation *self = check(L);
  int64_t until = 0;
  luaL_argcheck(L, hf_lua_toint64(L, 2, &until) && until >= 0 && until <= UINT32_MAX, 2,
                "a time must be a whole number of ms");
  lua_pushboolean(L, hf_fleet_run(self->fleet, (uint32_t)until));
  return 1;
}

static int progress(lua_State *L) {
  simulation *self = check(L);
  hf_lua_pushint64(L, hf_fleet_now(self->fleet));
  hf_lua_pushint64(L, hf_fleet_connected(self->fleet));
  return 2;
}

static int size(lua_State *L) {
  hf_lua_pushint64(L, (int64_t)check(L)->size);
  return 1;
}

static void set_number(lua_State *L, const char *name, int64_t value) {
  hf_lua_pushint64(L, value);
  lua_setfield(L, -2, name);
}

static void set_time(lua_State *L, const char *name, int64_t value) {
  if (value != INT64_MIN) set_number(L, name, value);
}

static void push_series(lua_State *L, const hf_fleet *fleet) {
  static const char *const names[] = {"attempts", "refused", "connected", "queue"};
  uint32_t count;
  const hf_fleet_second *seconds = hf_fleet_series(fleet, &count);
  lua_createtable(L, 0, 4);
  for (int column = 0; column < 4; column++) {
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
      const hf_fleet_second *second = &seconds[i];
      const uint32_t values[] = {second->attempts, second->refused, second->connected, second->queue};
      hf_lua_pushint64(L, values[column]);
      lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, names[column]);
  }
}

static void end(simulation *self) {
  free(self->memory);
  free(self->rules);
  self->memory = NULL;
  self->rules = NULL;
  self->fleet = NULL;
}

static int result(lua_State *L) {
  simulation *self = check(L);
  const hf_fleet_result found = hf_fleet_result_of(self->fleet);
  lua_createtable(L, 0, 14);
  set_time(L, "t50", found.t50);
  set_time(L, "t99", found.t99);
  set_time(L, "t100", found.t100);
  set_number(L, "attempts", (int64_t)found.attempts);
  set_number(L, "attempts_back", (int64_t)found.attempts_back);
  set_number(L, "wasted", (int64_t)found.wasted);
  set_number(L, "unanswered", (int64_t)found.unanswered);
  set_number(L, "downtime_sum", (int64_t)found.downtime_sum);
  set_number(L, "downtime_p99", found.downtime_p99);
  set_number(L, "peak", found.peak);
  set_number(L, "connected", found.connected);
  set_number(L, "now", found.now);
  push_series(L, self->fleet);
  lua_setfield(L, -2, "series");
  end(self);
  return 1;
}

static int collect(lua_State *L) {
  end(luaL_checkudata(L, 1, TYPE));
  return 0;
}

static const luaL_Reg methods[] = {
    {"run", run}, {"progress", progress}, {"size", size}, {"result", result}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", new_fleet}, {NULL, NULL}};

int hf_lua_open_fleet(lua_State *L) {
  luaL_newmetatable(L, TYPE);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
