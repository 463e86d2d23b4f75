/* starve_probe: a Lua state whose memory runs out where the spec says, as the Lua module `starve_probe`.
 *
 * It stands between the state that loaded it and that state's allocator, and
 * counts what asks for more memory. Lua answers a refusal with an emergency
 * collection and asks once more (5.2 and later), so refusing each request once
 * has the collector run at every point where memory may be asked for, finalizers
 * apart; refusing the second time too is "not enough memory" at that very point.
 * LuaJIT and 5.1 have no emergency collection: there the first refusal is final.
 * Memory that shrinks is never refused. LuaJIT's compiler ends the process (SIGSEGV in its collector) where it is
 * refused memory at the wrong moment, so nothing is compiled while memory is scarce. Call on the thread of the
 * lua_State.
 */
#include "lua/compat.h"
#ifdef LUA_JITLIBNAME
#include <luajit.h>
#endif

typedef struct starvation {
  lua_Alloc allocate;
  void *context;
  unsigned long asked;   /* since `begin` */
  unsigned long from;    /* requests from this one on are refused; 0: none */
  unsigned long refused; /* how many were */
  unsigned long every;   /* every so many requests one is refused once; 0: none */
  bool granting;         /* the next one is the second asking */
} starvation;

static starvation hunger;

/* The stack from Lua 5.4.5 on, which doubles, its spare places apart: nothing is collected while it moves. */
static bool moves_stack(size_t old_size, size_t new_size) {
#if LUA_VERSION_NUM == 504
  enum { SPARE = 5, PLACE = sizeof(void *) + sizeof(lua_Number) };
  return LUA_VERSION_RELEASE_NUM >= 50405 && old_size % PLACE == 0 && old_size / PLACE > SPARE &&
         new_size == (2 * (old_size / PLACE) - SPARE) * PLACE;
#else
  (void)old_size, (void)new_size;
  return false;
#endif
}

/* What asks the allocator only once, told by its size: a luaL_Buffer that leaves the stack, which does so itself. */
static bool asks_once(size_t old_size, size_t new_size) {
  return (new_size >= LUAL_BUFFERSIZE && (old_size == 0 || old_size >= LUAL_BUFFERSIZE)) ||
         moves_stack(old_size, new_size);
}

static bool refuse(size_t old_size, size_t new_size) {
  if (hunger.granting) {
    hunger.granting = false;
    return false;
  }
  hunger.asked++;
  if (hunger.from && hunger.asked >= hunger.from) return true;
  hunger.granting = hunger.every && hunger.asked % hunger.every == 0 && !asks_once(old_size, new_size);
  return hunger.granting;
}

static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  (void)context;
  bool more = new_size > 0 && (!block || new_size > old_size);
  if (more && refuse(old_size, new_size)) {
    hunger.refused++;
    return NULL;
  }
  return hunger.allocate(hunger.context, block, old_size, new_size);
}

static void compile(lua_State *L, bool may) {
#ifdef LUA_JITLIBNAME
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | (may ? LUAJIT_MODE_ON : LUAJIT_MODE_OFF));
  if (!may) luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_FLUSH);
#else
  (void)L;
  (void)may;
#endif
}

/* From now on; one inside another takes its place. */
static void begin(lua_State *L, unsigned long from, unsigned long every) {
  starvation outer = hunger;
  hunger = (starvation){.from = from, .every = every};
  if (!outer.allocate) compile(L, false);
  hunger.allocate = lua_getallocf(L, &hunger.context);
  if (hunger.allocate == allocate) {
    hunger.allocate = outer.allocate;
    hunger.context = outer.context;
  }
  lua_setallocf(L, allocate, NULL);
}

/* Calls the function on the top of the stack; what was counted. */
static starvation call(lua_State *L, unsigned long from, unsigned long every, int *status) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  starvation outer = hunger;
  begin(L, from, every);
  *status = lua_pcall(L, 0, 0, 0);
  starvation inner = hunger;
  hunger = outer;
  if (!outer.allocate) {
    lua_setallocf(L, inner.allocate, inner.context);
    compile(L, true);
  }
  return inner;
}

/* starve(fn, n) -> requests made, requests refused, error | nil: calls fn() with no memory to be had from the n-th
 * request for more on. */
static int starve(lua_State *L) {
  lua_Integer from = luaL_checkinteger(L, 2);
  luaL_argcheck(L, from >= 1, 2, "counted from 1");
  lua_settop(L, 1);
  int status;
  starvation counted = call(L, (unsigned long)from, 0, &status);
  lua_pushinteger(L, (lua_Integer)counted.asked);
  lua_pushinteger(L, (lua_Integer)counted.refused);
  if (status == LUA_OK)
    lua_pushnil(L);
  else
    lua_pushvalue(L, 1);
  return 3;
}

/* pinch(fn, n) -> requests refused, error | nil: calls fn() with every n-th request refused once. */
static int pinch(lua_State *L) {
  lua_Integer every = luaL_checkinteger(L, 2);
  luaL_argcheck(L, every >= 1, 2, "1 or more expected");
  lua_settop(L, 1);
  int status;
  starvation counted = call(L, 0, (unsigned long)every, &status);
  lua_pushinteger(L, (lua_Integer)counted.refused);
  if (status == LUA_OK)
    lua_pushnil(L);
  else
    lua_pushvalue(L, 1);
  return 2;
}

/* pinch_always(n): the same from now on, to the end of the state. */
static int pinch_always(lua_State *L) {
  lua_Integer every = luaL_checkinteger(L, 1);
  luaL_argcheck(L, every >= 1, 1, "1 or more expected");
  begin(L, 0, (unsigned long)every);
  return 0;
}

int luaopen_starve_probe(lua_State *L);

int luaopen_starve_probe(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"starve", starve}, {"pinch", pinch}, {"pinch_always", pinch_always}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
