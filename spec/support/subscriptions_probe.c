/* subscriptions_probe: csrc/core/subscriptions.h for specs, as the Lua module `subscriptions_probe`.
 *
 * new() makes a set whose methods are the functions of that header; work() is
 * what csrc/core has done so far, in steps that are the same on every machine
 * (spec/fuzz/work.h). Call on the thread of the lua_State.
 */
#include "core/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "../fuzz/work.h"
#include "core/line.h"
#include "core/subscriptions_inside.h"
#include "famine.h"
#include "lua/compat.h"

static void set_number(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static uint32_t number_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  uint32_t value = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

static bool flag_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static hf_bytes check_bytes(lua_State *L, int index) {
  hf_bytes bytes;
  bytes.data = luaL_checklstring(L, index, &bytes.length);
  return bytes;
}

typedef struct probe_set {
  hf_subscriptions *set;
} probe_set;

static int new_subscriptions(lua_State *L) {
  probe_set *self = hf_lua_newuserdata(L, sizeof *self);
  self->set = NULL;
  luaL_setmetatable(L, "subscriptions_probe");
  self->set = hf_subscriptions_new();
  return 1;
}

static hf_subscriptions *check_set(lua_State *L) {
  return ((probe_set *)luaL_checkudata(L, 1, "subscriptions_probe"))->set;
}

static int set_gc(lua_State *L) {
  hf_subscriptions_free(check_set(L));
  return 0;
}

/* set:add(wish, filter[, { qos, no_local, retain_as_published, retain_handling, identifier, note }]); the note is the
 * value of the one user property. */
static int set_add(lua_State *L) {
  hf_wish_options options = {0};
  hf_user_property note = {.name = {"note", 4}};
  hf_properties properties = {.user = &note, .user_count = 1};
  if (!lua_isnoneornil(L, 4)) {
    options.qos = (uint8_t)number_field(L, 4, "qos");
    options.no_local = flag_field(L, 4, "no_local");
    options.retain_as_published = flag_field(L, 4, "retain_as_published");
    options.retain_handling = (uint8_t)number_field(L, 4, "retain_handling");
    options.identifier = number_field(L, 4, "identifier");
    if (hf_lua_getfield(L, 4, "note") == LUA_TSTRING) note.value.data = lua_tolstring(L, -1, &note.value.length);
  }
  hf_wish *wish = hf_wish_new(check_bytes(L, 3), options, note.value.data ? &properties : NULL);
  if (wish) hf_subscriptions_add(check_set(L), (uint32_t)luaL_checkinteger(L, 2), wish);
  lua_pushboolean(L, wish != NULL);
  return 1;
}

static int set_remove(lua_State *L) {
  lua_pushboolean(L, hf_subscriptions_remove(check_set(L), (uint32_t)luaL_checkinteger(L, 2)));
  return 1;
}

static int set_connected(lua_State *L) {
  hf_subscriptions_connected(check_set(L), lua_toboolean(L, 2));
  return 0;
}

static int set_lost(lua_State *L) {
  hf_subscriptions_lost(check_set(L));
  return 0;
}

static int set_next(lua_State *L) {
  hf_subscription_request request;
  if (!hf_subscriptions_next(check_set(L), &request)) return 0;
  lua_newtable(L);
  set_number(L, "ticket", (lua_Integer)request.ticket);
  set_flag(L, "subscribe", request.subscribe);
  lua_pushlstring(L, request.filter.data, request.filter.length);
  lua_setfield(L, -2, "filter");
  set_number(L, "qos", request.options.qos);
  set_flag(L, "no_local", request.options.no_local);
  set_flag(L, "retain_as_published", request.options.retain_as_published);
  set_number(L, "retain_handling", request.options.retain_handling);
  set_number(L, "identifier", (lua_Integer)request.options.identifier);
  if (request.properties) {
    lua_pushstring(L, request.properties->user[0].value.data);
    lua_setfield(L, -2, "note");
  }
  return 1;
}

static void append_verdict(void *context, hf_subscription_verdict verdict) {
  lua_State *L = context;
  lua_newtable(L);
  set_number(L, "wish", (lua_Integer)verdict.wish);
  set_number(L, "code", verdict.code);
  lua_rawseti(L, -2, (int)hf_lua_length(L, -2) + 1);
}

/* set:answer(ticket, code) -> array of { wish, code } */
static int set_answer(lua_State *L) {
  hf_subscriptions *set = check_set(L);
  uint32_t ticket = (uint32_t)luaL_checkinteger(L, 2);
  int code = (int)luaL_checkinteger(L, 3);
  lua_newtable(L);
  hf_subscriptions_answer(set, ticket, code, append_verdict, L);
  return 1;
}

/* set:match(topic[, identifiers[, room]]) -> array of wishes, how many there are */
static int set_match(lua_State *L) {
  enum { MOST = 8 };
  uint32_t identifiers[MOST], wishes[64];
  size_t count = 0, room = (size_t)luaL_optinteger(L, 4, 64);
  size_t given = lua_istable(L, 3) ? hf_lua_length(L, 3) : 0;
  luaL_argcheck(L, given <= MOST && room <= 64, 3, "too many");
  for (; count < given; lua_pop(L, 1)) {
    lua_rawgeti(L, 3, (int)count + 1);
    identifiers[count++] = (uint32_t)lua_tointeger(L, -1);
  }
  memset(wishes, 0xFF, sizeof wishes);
  size_t found = hf_subscriptions_match(check_set(L), check_bytes(L, 2), identifiers, count, wishes, room);
  if (room < 64 && wishes[room] != UINT32_MAX) luaL_error(L, "wrote past its room");
  lua_newtable(L);
  for (size_t i = 0; i < found && i < room; i++) {
    lua_pushinteger(L, (lua_Integer)wishes[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_pushinteger(L, (lua_Integer)found);
  return 2;
}

static int set_facts(lua_State *L) {
  const hf_subscriptions *set = check_set(L);
  lua_newtable(L);
  set_flag(L, "settled", hf_subscriptions_settled(set));
  set_number(L, "wishes", (lua_Integer)hf_subscriptions_wishes(set));
  set_number(L, "refused", (lua_Integer)hf_subscriptions_refused(set));
  set_number(L, "confirmed", (lua_Integer)hf_subscriptions_confirmed(set));
  return 1;
}

/* set:crowd(topic, from, to) -> as match, for a message with all the identifiers between these two */
static int set_crowd(lua_State *L) {
  uint32_t from = (uint32_t)luaL_checkinteger(L, 3), to = (uint32_t)luaL_checkinteger(L, 4), none;
  size_t count = (size_t)to - from + 1;
  uint32_t *identifiers = malloc(count * sizeof *identifiers);
  for (size_t i = 0; i < count; i++)
    identifiers[i] = from + (uint32_t)i;
  lua_pushinteger(L,
                  (lua_Integer)hf_subscriptions_match(check_set(L), check_bytes(L, 2), identifiers, count, &none, 0));
  free(identifiers);
  return 1;
}

/* set:last(identifier, ticket): those that were given out last. */
static int set_last(lua_State *L) {
  hf_subscriptions *set = check_set(L);
  set->last_identifier = (uint32_t)luaL_checknumber(L, 2);
  set->last_ticket = (uint32_t)luaL_checknumber(L, 3);
  return 0;
}

/* fail(n): the n-th request for memory from now on fails, counted from 1; 0: none. */
static int fail(lua_State *L) {
  famine_fail((long)luaL_checkinteger(L, 1));
  return 0;
}

static int work(lua_State *L) {
  lua_pushnumber(L, (lua_Number)work_done);
  return 1;
}

/* insert{ id, ... } -> the ids in the order of a line into which they came one by one, the work of that, and of the
 * last of them */
static int insert(lua_State *L) {
  size_t count = hf_lua_length(L, 1);
  hf_publish *all = calloc(count ? count : 1, sizeof *all);
  hf_line line = {0};
  uint64_t before = work_done, last = before;
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    all[i].place = (uint64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    last = work_done;
    hf_line_insert(&line, &all[i]);
  }
  uint64_t after = work_done;
  lua_newtable(L);
  int position = 0;
  for (const hf_publish *at = line.first; at; at = at->next) {
    lua_pushnumber(L, (lua_Number)at->place);
    lua_rawseti(L, -2, ++position);
  }
  free(all);
  lua_pushnumber(L, (lua_Number)(after - before));
  lua_pushnumber(L, (lua_Number)(after - last));
  return 3;
}

static const luaL_Reg methods[] = {{"add", set_add},
                                   {"remove", set_remove},
                                   {"connected", set_connected},
                                   {"lost", set_lost},
                                   {"next", set_next},
                                   {"answer", set_answer},
                                   {"match", set_match},
                                   {"facts", set_facts},
                                   {"crowd", set_crowd},
                                   {"last", set_last},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"new", new_subscriptions}, {"work", work}, {"fail", fail}, {"insert", insert}, {NULL, NULL}};

int luaopen_subscriptions_probe(lua_State *L);

int luaopen_subscriptions_probe(lua_State *L) {
  luaL_newmetatable(L, "subscriptions_probe");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, set_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, functions);
  return 1;
}
