/* holdfast.core.reason: the table of reasons. */
#include "core/reason.h"
#include "lua/binding.h"
#include "lua/pure.h"

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

void hf_lua_push_reason(lua_State *L, const hf_reason *reason, int cls, int code, const char *text) {
  if (!reason) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 5);
  lua_pushstring(L, reason->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, hf_class_name(cls));
  lua_setfield(L, -2, "class");
  set_number(L, "code", code);
  lua_pushstring(L, hf_source_name(reason->source));
  lua_setfield(L, -2, "source");
  lua_pushstring(L, text ? text : reason->text);
  lua_setfield(L, -2, "text");
  luaL_setmetatable(L, HF_LUA_REASON);
}

static void push_row(lua_State *L, const hf_reason *reason, int code) {
  hf_lua_push_reason(L, reason, reason->cls, code, NULL);
  lua_pushstring(L, hf_class_name(reason->later));
  lua_setfield(L, -2, "later");
  set_number(L, "after", reason->after);
  set_number(L, "row", reason->row);
  set_number(L, "floor", reason->floor);
  set_flag(L, "fresh_credentials", reason->fresh_credentials);
  set_flag(L, "may_switch", reason->may_switch);
  set_flag(L, "wide", reason->wide);
}

static int find(lua_State *L) {
  int64_t code = 0;
  int source = hf_source_find(luaL_checkstring(L, 1));
  luaL_argcheck(L, source >= 0, 1, "no such source");
  luaL_argcheck(L, hf_lua_toint64(L, 2, &code) && code >= INT16_MIN && code <= INT16_MAX, 2,
                "a code must be a whole number of 16 bits");
  push_row(L, hf_reason_find((hf_source)source, (int)code), (int)code);
  return 1;
}

static int all(lua_State *L) {
  lua_createtable(L, (int)hf_reason_count(), 0);
  const hf_reason *row;
  for (size_t i = 0; (row = hf_reason_row(i)) != NULL; i++) {
    push_row(L, row, row->code);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"find", find}, {"all", all}, {NULL, NULL}};

int hf_lua_open_reason(lua_State *L) {
  luaL_newlib(L, functions);
  hf_lua_push_names(L, hf_class_name);
  lua_setfield(L, -2, "classes");
  hf_lua_push_names(L, hf_source_name);
  lua_setfield(L, -2, "sources");
  return 1;
}
