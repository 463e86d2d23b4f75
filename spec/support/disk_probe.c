/* disk_probe: a disk that is slow or fails, for a process that is started with this in LD_PRELOAD.
 *
 * In such a process `require "disk_probe"` gives
 *   slow(ms)            each fsync and fdatasync takes that long from now on
 *   fail(name, count)   so many of them fail with EINTR, EIO, ENOSPC or EDQUOT; the third argument: after so many
 *   forget(path)        a sync of this file that fails has it be as it was after the one before
 *   syncs([thread])     how many there were, on all threads or on that which has this name
 *   built_alone()       SQLite says that it was built for a single thread */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front.h"
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

/* ---- a file whose last sync is kept ---- */

static char forgotten[256]; /* its path */
static char kept[1 << 16];
static size_t kept_size; /* SIZE_MAX: it was longer */

static bool is_forgotten(int descriptor, struct stat *about) {
  struct stat wanted;
  return forgotten[0] && stat(forgotten, &wanted) == 0 && fstat(descriptor, about) == 0 &&
         wanted.st_ino == about->st_ino;
}

static void keep(int descriptor) {
  struct stat about;
  if (!is_forgotten(descriptor, &about)) return;
  ssize_t size = pread(descriptor, kept, sizeof kept, 0);
  kept_size = size < 0 || (size_t)size == sizeof kept ? SIZE_MAX : (size_t)size;
}

static void take_back(int descriptor) {
  struct stat about;
  if (!is_forgotten(descriptor, &about) || kept_size == SIZE_MAX) return;
  int error = errno, file = open(forgotten, O_WRONLY | O_CLOEXEC);
  if (file < 0 || pwrite(file, kept, kept_size, 0) != (ssize_t)kept_size || ftruncate(file, (off_t)kept_size) != 0)
    abort();
  close(file);
  errno = error;
}

int fdatasync(int descriptor) {
  int (*real)(int) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
  bool fine = syncs() && real(descriptor) == 0;
  if (fine)
    keep(descriptor);
  else
    take_back(descriptor);
  return fine ? 0 : -1;
}

int fsync(int descriptor) {
  int (*real)(int) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "fsync");
  return syncs() ? real(descriptor) : -1;
}

int sqlite3_threadsafe(void) {
  return !alone;
}

void *dlopen(const char *file, int mode) {
  return open_behind(forgotten, "libsqlite3.so", file, mode);
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

static int forget(lua_State *L) {
  snprintf(forgotten, sizeof forgotten, "%s", luaL_checkstring(L, 1));
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
      {"slow", slow}, {"fail", fail}, {"forget", forget}, {"syncs", count}, {"built_alone", built_alone}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
