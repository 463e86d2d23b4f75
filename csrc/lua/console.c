/* holdfast.core.console: the process of the command `holdfast`. Not loaded into any other's way: a program that does
 * not call it keeps its signals and streams as they are. */
#include "sys/console.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "lua/binding.h"

static int failed(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

/* complete() -> true | nil, problem */
static int complete(lua_State *L) {
  if (!hf_console_complete()) return failed(L);
  lua_pushboolean(L, true);
  return 1;
}

/* catch() -> true | nil, problem */
static int catch (lua_State *L) {
  if (!hf_console_catch()) return failed(L);
  lua_pushboolean(L, true);
  return 1;
}

/* let() -> true | nil, problem */
static int let(lua_State *L) {
  if (!hf_console_let()) return failed(L);
  lua_pushboolean(L, true);
  return 1;
}

/* caught() -> "INT", "TERM", "HUP" | nil */
static int caught(lua_State *L) {
  int number = hf_console_caught();
  lua_pushstring(L, number == SIGINT ? "INT" : number == SIGTERM ? "TERM" : number == SIGHUP ? "HUP" : NULL);
  return 1;
}

/* wait(descriptor | nil, wants_input, seconds | nil) -> input, hung up, gone */
static int wait_for_news(lua_State *L) {
  int descriptor = (int)luaL_optinteger(L, 1, -1);
  lua_Number seconds = luaL_optnumber(L, 3, -1);
  int milliseconds = seconds < 0 ? -1 : seconds > 86400 ? 86400000 : (int)(seconds * 1000 + 0.999);
  hf_console_news news = hf_console_wait(descriptor, lua_toboolean(L, 2), milliseconds);
  lua_pushboolean(L, news.input);
  lua_pushboolean(L, news.hung_up);
  lua_pushboolean(L, news.gone);
  return 3;
}

/* peek() -> bytes ("" at the end), "taken", "left" or "file"; false: nothing yet; nil, problem */
static int peek(lua_State *L) {
  static const char *const names[] = {"taken", "left", "file"};
  char *bytes = lua_newuserdata(L, HF_CONSOLE_ROOM);
  hf_console_input input;
  ssize_t count = hf_console_peek(bytes, HF_CONSOLE_ROOM, &input);
  if (count < 0 && errno != EAGAIN && errno != EINTR) return failed(L);
  if (count < 0)
    lua_pushboolean(L, false);
  else
    lua_pushlstring(L, bytes, (size_t)count);
  lua_pushstring(L, names[input]);
  return 2;
}

/* drop(count) -> true | nil, problem */
static int drop(lua_State *L) {
  if (!hf_console_drop((size_t)luaL_checkinteger(L, 1))) return failed(L);
  lua_pushboolean(L, true);
  return 1;
}

/* input_room() -> how many bytes a peek finds at most */
static int input_room(lua_State *L) {
  size_t room = hf_console_input_room();
  lua_pushinteger(L, room == 0 || room > HF_CONSOLE_ROOM ? HF_CONSOLE_ROOM : (lua_Integer)room);
  return 1;
}

/* size() -> columns, rows | nil where the standard output is no terminal */
static int size(lua_State *L) {
  unsigned columns, rows;
  if (!hf_console_size(&columns, &rows)) return 0;
  lua_pushinteger(L, (lua_Integer)columns);
  lua_pushinteger(L, (lua_Integer)rows);
  return 2;
}

static const luaL_Reg functions[] = {
    {"complete", complete},  {"catch", catch}, {"let", let},   {"caught", caught},
    {"wait", wait_for_news}, {"peek", peek},   {"drop", drop}, {"input_room", input_room},
    {"size", size},          {NULL, NULL}};

void hf_lua_open_console(lua_State *L) {
  luaL_newlib(L, functions);
}
