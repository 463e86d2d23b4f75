/* The interpreter of the sanitizers: Lua's library, linked with their runtime.
 *
 * Theirs must be the first code in a process. The system's interpreter knows nothing of them, and a preloaded runtime
 * goes on into shells and brokers, which do not live through it. This program takes it into those processes alone that
 * run our module. It understands what the specs say to an interpreter: [-e text] [file [argument ...]], and a LUA_INIT
 * that names a file.
 *
 * Memory: its state is its own, freed at the end, so that a leak is one. One thread. */
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lua_State *interrupted; /* by the terminal: a signal handler has no other way to know */

static void raise_interrupt(lua_State *L, lua_Debug *unused) {
  (void)unused;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void on_interrupt(int number) {
  signal(number, SIG_DFL); /* the second one ends the process */
  lua_sethook(interrupted, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static int with_traceback(lua_State *L) {
  const char *words = lua_tostring(L, 1);
  if (words) luaL_traceback(L, L, words, 1);
  return 1;
}

/* arg: the script at 0, its arguments after, what comes before it below */
static void set_arg(lua_State *L, int count, char *const *words, int script) {
  lua_createtable(L, count - script, script);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, words[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

/* work(count of words, words): a function below the script, as in the system's interpreter; busted looks for it */
static int work(lua_State *L) {
  int count = (int)lua_tointeger(L, 1);
  char *const *words = lua_touserdata(L, 2);
  const char *text = count > 2 && strcmp(words[1], "-e") == 0 ? words[2] : NULL;
  int script = text ? 3 : 1;
  luaL_openlibs(L);
  set_arg(L, count, words, script < count ? script : 0);
  const char *init = getenv("LUA_INIT");
  if (init && init[0] == '@') {
    if (luaL_loadfile(L, init + 1) != LUA_OK) return lua_error(L);
    lua_call(L, 0, 0);
  }
  if (text) {
    if (luaL_loadstring(L, text) != LUA_OK) return lua_error(L);
    lua_call(L, 0, 0);
  }
  if (script >= count) return 0;
  if (luaL_loadfile(L, words[script]) != LUA_OK) return lua_error(L);
  luaL_checkstack(L, count, "too many arguments");
  for (int i = script + 1; i < count; i++)
    lua_pushstring(L, words[i]);
  lua_call(L, count - script - 1, 0);
  return 0;
}

int main(int count, char **words) {
  lua_State *L = luaL_newstate();
  if (!L) return 1;
  interrupted = L;
  signal(SIGINT, on_interrupt);
  lua_pushcfunction(L, with_traceback);
  lua_pushcfunction(L, work);
  lua_pushinteger(L, count);
  lua_pushlightuserdata(L, words);
  bool fine = lua_pcall(L, 2, 0, 1) == LUA_OK;
  signal(SIGINT, SIG_DFL);
  if (!fine) {
    const char *problem = lua_tostring(L, -1);
    fprintf(stderr, "interpreter: %s\n", problem ? problem : "an error that is no string");
  }
  lua_close(L);
  return fine ? 0 : 1;
}
