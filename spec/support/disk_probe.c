/* disk_probe: a disk that is slow or fails, for a process that is started with this in LD_PRELOAD.
 *
 * In such a process `require "disk_probe"` gives
 *   slow(ms)            each fsync and fdatasync takes that long from now on
 *   fail(name, count)   so many of them fail with EINTR, EIO, ENOSPC or EDQUOT; the third argument: after so many
 *   syncs([thread])     how many there were, on all threads or on that which has this name
 *   built_alone()       SQLite says that it was built for a single thread */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lua/compat.h"

enum { MOST = 10000 };

static atomic_int delay, before, failures, failure, total;
static atomic_bool alone;
static atomic_int threads[MOST]; /* which thread each was on */

/* False: errno. */
static bool syncs(void) {
  int at = atomic_fetch_add(&total, 1);
  if (at < MOST) threads[at] = (int)gettid();
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

static bool is_called(int thread, const char *name) {
  char path[64], found[32] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", thread);
  FILE *file = fopen(path, "r");
  if (!file) return false; /* it has ended */
  bool same =
      fgets(found, sizeof found, file) && strncmp(found, name, strlen(name)) == 0 && found[strlen(name)] == '\n';
  fclose(file);
  return same;
}

static int count(lua_State *L) {
  const char *name = luaL_optstring(L, 1, NULL);
  lua_Integer found = 0;
  for (int i = 0; i < total && i < MOST; i++)
    found += !name || is_called(threads[i], name);
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
