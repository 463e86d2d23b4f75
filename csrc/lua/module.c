/* holdfast.core: what lua/holdfast is built on. Private to it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lua/binding.h"
#include "lua/pure.h"
#include "stream/quic.h"
#include "stream/saslprep.h"
#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/library.h"

#define HF_VERSION "0.2.0"

static int now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)hf_clock_us() / 1e6);
  return 1;
}

/* 13 of 36 characters: all 64 bits, and a name that every 3.1.1 broker must take (at most 23 characters of [0-9a-zA-Z]
 * [MQTT-3.1.3-5]), so no hyphen. */
static int random_id(lua_State *L) {
  static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  char id[] = "holdfast.............";
  uint64_t bits = hf_entropy();
  for (char *at = id + 8; *at; at++) {
    *at = digits[bits % 36];
    bits /= 36;
  }
  lua_pushstring(L, id);
  return 1;
}

/* The keeper's thread runs in this object: it must stay mapped when the Lua state that loaded it is closed. The linker
 * flag -z nodelete does the same, but LuaRocks' builtin backend has no way to pass one. */
static void pin(void) {
  static const char here;
  Dl_info info;
  if (dladdr(&here, &info) && info.dli_fname) dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

/* absolute(path) -> that of a file that is there, from the root; else nil */
static int absolute(lua_State *L) {
  char path[PATH_MAX];
  lua_pushstring(L, realpath(luaL_checkstring(L, 1), path) ? path : NULL);
  return 1;
}

/* join_quic(part of holdfast.quic) -> nil, or why not */
static int join_quic(lua_State *L) {
  char problem[HF_QUIC_PROBLEM];
  luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
  lua_pushstring(L, hf_quic_join(lua_touserdata(L, 1), problem) ? NULL : problem);
  return 1;
}

/* saslprep(text, is_name) -> text in the form of RFC 4013; nil and what is wrong with it; or false, where that cannot
 * be said without a library that cannot be loaded */
static int saslprep(lua_State *L) {
  char missing[HF_LIBRARY_PROBLEM], *prepared;
  hf_bytes text;
  text.data = luaL_checklstring(L, 1, &text.length);
  if (hf_saslprep_needs_library(text) && !hf_saslprep_load(missing)) {
    lua_pushboolean(L, false);
    return 1;
  }
  const char *problem = hf_saslprep(text, lua_toboolean(L, 2), &prepared);
  lua_pushstring(L, prepared);
  lua_pushstring(L, problem);
  if (prepared) explicit_bzero(prepared, strlen(prepared));
  free(prepared);
  return 2;
}

static const luaL_Reg functions[] = {{"join_quic", join_quic},
                                     {"now", now},
                                     {"random_id", random_id},
                                     {"metrics", hf_lua_metrics},
                                     {"absolute", absolute},
                                     {"saslprep", saslprep},
                                     {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_holdfast_core(lua_State *L);

int luaopen_holdfast_core(lua_State *L) {
  pin();
  luaL_newlib(L, functions);
  lua_pushliteral(L, HF_VERSION);
  lua_setfield(L, -2, "VERSION");
  hf_lua_open_topic(L);
  hf_lua_open_event(L);
  hf_lua_open_public_event(L);
  hf_lua_open_claim(L);
  hf_lua_open_mailbox(L);
  hf_lua_open_client(L);
  hf_lua_open_backoff(L);
  lua_setfield(L, -2, "backoff");
  hf_lua_open_reason(L);
  lua_setfield(L, -2, "reason");
  hf_lua_open_engine(L);
  lua_setfield(L, -2, "engine");
  hf_lua_open_fleet(L);
  lua_setfield(L, -2, "fleet");
  hf_lua_open_console(L);
  lua_setfield(L, -2, "console");
  return 1;
}
