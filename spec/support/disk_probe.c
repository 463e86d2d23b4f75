/* disk_probe: a disk that is slow or fails, for a process that is started with this in LD_PRELOAD.
 *
 * In such a process `require "disk_probe"` gives
 *   slow(ms)            each fsync and fdatasync takes that long from now on
 *   fail(name, count)   so many of them fail with EINTR, EIO, ENOSPC or EDQUOT; the third argument: after so many
 *   syncs(thread)       how many there were, on threads of that name
 *   built_alone()       SQLite says that it was built for a single thread */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "lua/compat.h"

enum { MOST = 1000, NAME = 16 };

static atomic_int delay, before, failures, failure, total;
static atomic_bool alone;
static char threads[MOST][NAME];

/* False: errno. */
static bool syncs(void) {
  int at = atomic_fetch_add(&total, 1);
  if (at < MOST) pthread_getname_np(pthread_self(), threads[at], NAME);
  if (delay > 0) usleep((useconds_t)delay * 1000);
  if (failures <= 0 || before-- > 0) return true;
  failures--;
  errno = failure;
  return false;
}

int fdatasync(int descriptor) {
  int (*real)(int) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
  return syncs() ? real(descriptor) : -1;
}

int fsync(int descriptor) {
  int (*real)(int) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "fsync");
  return syncs() ? real(descriptor) : -1;
}

int sqlite3_threadsafe(void);

int sqlite3_threadsafe(void) {
  return !alone;
}

static int slow(lua_State *L) {
  delay = (int)luaL_checkinteger(L, 1);
  return 0;
}

static int fail(lua_State *L) {
  static const char *const names[] = {"EINTR", "EIO", "ENOSPC", "EDQUOT", NULL};
  static const int numbers[] = {EINTR, EIO, ENOSPC, EDQUOT};
  failure = numbers[luaL_checkoption(L, 1, NULL, names)];
  failures = (int)luaL_checkinteger(L, 2);
  before = (int)luaL_optinteger(L, 3, 0);
  return 0;
}

static int count(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_Integer found = 0;
  for (int i = 0; i < total && i < MOST; i++)
    found += strcmp(threads[i], name) == 0;
  lua_pushinteger(L, found);
  return 1;
}

static int built_alone(lua_State *L) {
  (void)L;
  alone = true;
  return 0;
}

int luaopen_disk_probe(lua_State *L);

int luaopen_disk_probe(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"slow", slow}, {"fail", fail}, {"syncs", count}, {"built_alone", built_alone}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
