/* compat.h: one dialect of the Lua C API for Lua 5.1, 5.2, 5.3, 5.4 and LuaJIT 2.1.
 *
 * Every C file that needs lua.h includes this instead. The names of 5.2 that
 * 5.1 and LuaJIT lack are given here with the same meaning; what differs by more
 * than a name is an hf_lua_* helper. LuaJIT has some of them itself, but a module
 * built for Lua 5.1 must load there and the other way round, so ours are always
 * used with LUA_VERSION_NUM 501. Owns nothing; call on the thread of the
 * lua_State only.
 */
#ifndef HF_LUA_COMPAT_H
#define HF_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if LUA_VERSION_NUM < 501 || LUA_VERSION_NUM > 504
#error "holdfast knows Lua 5.1 to 5.4 and LuaJIT"
#endif

#if LUA_VERSION_NUM == 501

#ifndef LUA_OK
#define LUA_OK 0
#endif

static inline int hf_compat_absindex(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(L) + index + 1;
}

static inline void hf_compat_setfuncs(lua_State *L, const luaL_Reg *functions, int upvalues) {
  luaL_checkstack(L, upvalues + 1, "too many upvalues");
  for (; functions->name; functions++) {
    for (int i = 0; i < upvalues; i++)
      lua_pushvalue(L, -upvalues);
    lua_pushcclosure(L, functions->func, upvalues);
    lua_setfield(L, -(upvalues + 2), functions->name);
  }
  lua_pop(L, upvalues);
}

static inline void hf_compat_setmetatable(lua_State *L, const char *name) {
  luaL_getmetatable(L, name);
  lua_setmetatable(L, -2);
}

static inline void *hf_compat_testudata(lua_State *L, int index, const char *name) {
  void *data = lua_touserdata(L, index);
  if (!data || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, name);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same ? data : NULL;
}

static inline void hf_compat_rawgetp(lua_State *L, int index, const void *key) {
  index = hf_compat_absindex(L, index);
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_rawget(L, index);
}

static inline void hf_compat_rawsetp(lua_State *L, int index, const void *key) {
  index = hf_compat_absindex(L, index);
  lua_pushlightuserdata(L, (void *)(uintptr_t)key);
  lua_insert(L, -2);
  lua_rawset(L, index);
}

#define lua_absindex hf_compat_absindex
#define luaL_setfuncs hf_compat_setfuncs
#define luaL_setmetatable hf_compat_setmetatable
#define luaL_testudata hf_compat_testudata
#define lua_rawgetp hf_compat_rawgetp
#define lua_rawsetp hf_compat_rawsetp
#define lua_rawlen lua_objlen

#undef luaL_newlibtable
#undef luaL_newlib
#define luaL_newlibtable(L, functions) lua_createtable(L, 0, (int)(sizeof(functions) / sizeof((functions)[0]) - 1))
#define luaL_newlib(L, functions) (luaL_newlibtable(L, functions), luaL_setfuncs(L, functions, 0))

#endif

/* Userdata without user values. */
static inline void *hf_lua_newuserdata(lua_State *L, size_t size) {
#if LUA_VERSION_NUM >= 504
  return lua_newuserdatauv(L, size, 0);
#else
  return lua_newuserdata(L, size);
#endif
}

/* luaL_checkudata without a look for the name: that metatable is the function's first upvalue. */
static inline void *hf_lua_checkudata(lua_State *L, int index, const char *name) {
  void *data = lua_touserdata(L, index);
  if (!data || !lua_getmetatable(L, index)) return luaL_checkudata(L, index, name);
  bool same = lua_rawequal(L, -1, lua_upvalueindex(1));
  lua_pop(L, 1);
  return same ? data : luaL_checkudata(L, index, name);
}

/* A method for it, into the table at the top, below which its metatable lies. */
static inline void hf_lua_setmethod(lua_State *L, const char *name, lua_CFunction function) {
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
}

/* An integer in every dialect: a Lua integer where there are any, else a number (exact up to 2^53). */
static inline void hf_lua_pushint64(lua_State *L, int64_t value) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)value);
#else
  lua_pushnumber(L, (lua_Number)value);
#endif
}

/* lua_rawlen, which counts in 64 bits even where no table is that long. */
static inline size_t hf_lua_length(lua_State *L, int index) {
  return (size_t)lua_rawlen(L, index);
}

/* Whether the value is a number (no string that looks like one) without a fraction and within int64_t; `value` is 0
 * otherwise. 3.0 counts as an integer, NaN and the infinities do not. */
static inline bool hf_lua_toint64(lua_State *L, int index, int64_t *value) {
  *value = 0;
  if (lua_type(L, index) != LUA_TNUMBER) return false;
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(L, index)) {
    *value = (int64_t)lua_tointeger(L, index);
    return true;
  }
#endif
  lua_Number number = lua_tonumber(L, index);
  if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0)) return false;
  int64_t whole = (int64_t)number;
  if ((lua_Number)whole < number || (lua_Number)whole > number) return false;
  *value = whole;
  return true;
}

/* The field's type, its value pushed: what lua_getfield itself answers from 5.3 on. */
static inline int hf_lua_getfield(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  return lua_type(L, -1);
}

static inline int hf_lua_rawget(lua_State *L, int index) {
#if LUA_VERSION_NUM >= 503
  return lua_rawget(L, index);
#else
  lua_rawget(L, index);
  return lua_type(L, -1);
#endif
}

static inline int hf_lua_rawgeti(lua_State *L, int index, int position) {
  lua_rawgeti(L, index, position);
  return lua_type(L, -1);
}

#endif
