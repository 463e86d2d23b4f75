/* errand_probe: errands that last until the spec lets them end, as the Lua module `errand_probe`.
 *
 * The errands write into a diary under a lock; the spec waits for it to have so
 * many lines, for ten seconds at most. Call on the thread of the lua_State.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lua/compat.h"
#include "sys/clock.h"
#include "sys/errand.h"

enum { PATIENCE = 10 /* s */, LINES = 1024, LINE = 40 };

typedef struct probe_errand {
  hf_errand errand;
  char name[LINE / 2 - 4];
  char key[LINE / 2];
} probe_errand;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static char begun[LINES][LINE], answered[LINES][LINE];
static int begun_count, answered_count, may_end;

static const char *name_of(const hf_errand *errand) {
  return ((const probe_errand *)errand)->name;
}

/* The first field of a probe_errand is its errand. */
static void work(hf_errand *errand) {
  pthread_mutex_lock(&lock);
  strcpy(begun[begun_count++], name_of(errand));
  pthread_cond_broadcast(&news);
  while (may_end == 0)
    pthread_cond_wait(&news, &lock);
  may_end--;
  pthread_mutex_unlock(&lock);
}

static void done(hf_errand *errand, const hf_errand *worked) {
  pthread_mutex_lock(&lock);
  snprintf(answered[answered_count++], LINE, "%s by %s", name_of(errand), name_of(worked));
  free(errand);
  pthread_cond_broadcast(&news);
  pthread_mutex_unlock(&lock);
}

/* send(kind, name[, key]) -> whether it was taken */
static int send(lua_State *L) {
  static const char *const kinds[] = {"name", "service", "knock", "tls", "disk", NULL};
  probe_errand *errand = calloc(1, sizeof *errand);
  if (!errand) return luaL_error(L, "not enough memory");
  errand->errand = (hf_errand){.kind = (hf_errand_kind)luaL_checkoption(L, 1, NULL, kinds), .work = work, .done = done};
  snprintf(errand->name, sizeof errand->name, "%s", luaL_checkstring(L, 2));
  snprintf(errand->key, sizeof errand->key, "%s", luaL_optstring(L, 3, ""));
  if (*errand->key) errand->errand.key = errand->key;
  bool taken = hf_errand_send(&errand->errand);
  if (!taken) free(errand);
  lua_pushboolean(L, taken);
  return 1;
}

/* let(count): so many may end. */
static int let(lua_State *L) {
  pthread_mutex_lock(&lock);
  may_end += (int)luaL_checkinteger(L, 1);
  pthread_cond_broadcast(&news);
  pthread_mutex_unlock(&lock);
  return 0;
}

static int lines(lua_State *L, char from[LINES][LINE], const int *count) {
  int wanted = (int)luaL_checkinteger(L, 1);
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += PATIENCE;
  pthread_mutex_lock(&lock);
  while (*count < wanted && pthread_cond_timedwait(&news, &lock, &until) != ETIMEDOUT)
    ;
  lua_createtable(L, *count, 0);
  for (int i = 0; i < *count; i++) {
    lua_pushstring(L, from[i]);
    lua_rawseti(L, -2, i + 1);
  }
  pthread_mutex_unlock(&lock);
  return 1;
}

/* begun(count), answered(count): the names of all that have begun, "name by name" of all that were answered, in order,
 * as soon as there are so many. */
static int all_begun(lua_State *L) {
  return lines(L, begun, &begun_count);
}

static int all_answered(lua_State *L) {
  return lines(L, answered, &answered_count);
}

/* Forgets what was written. */
static int reset(lua_State *L) {
  (void)L;
  pthread_mutex_lock(&lock);
  begun_count = answered_count = may_end = 0;
  pthread_mutex_unlock(&lock);
  return 0;
}

/* finish(seconds) -> the seconds it took */
static int finish(lua_State *L) {
  int64_t before = hf_clock_ms();
  hf_errand_end(before + (int64_t)(luaL_checknumber(L, 1) * 1000));
  lua_pushnumber(L, (lua_Number)(hf_clock_ms() - before) / 1000);
  return 1;
}

static const luaL_Reg functions[] = {
    {"send", send},   {"let", let},       {"begun", all_begun}, {"answered", all_answered},
    {"reset", reset}, {"finish", finish}, {NULL, NULL}};

int luaopen_errand_probe(lua_State *L);

int luaopen_errand_probe(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
