/* drought_probe: descriptors that cannot be had, for a process that is started with this in LD_PRELOAD.
 *
 * In such a process `require "drought_probe"` gives
 *   fail(first, count) of the calls from now on that make a descriptor the first-th, and `count` from it on, find none
 *                      left; 0: none fails any more
 *   failed()           how many have
 *   leave(count)       the process may have so many descriptors more, also what the C library makes inside of itself;
 *                      nil: as many as before */
#undef _FILE_OFFSET_BITS /* both names of a call are stood in for, each under its own */
#undef _TIME_BITS
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "lua/compat.h"

static atomic_long asked, from, until, refused;

static bool is_dry(void) {
  long first = atomic_load(&from), number = first ? atomic_fetch_add(&asked, 1) + 1 : 0;
  if (!first || number < first || number >= atomic_load(&until)) return false;
  atomic_fetch_add(&refused, 1);
  errno = EMFILE;
  return true;
}

static void *next(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

int socket(int domain, int type, int protocol) {
  int (*real)(int, int, int) = NULL;
  *(void **)&real = next("socket");
  return is_dry() ? -1 : real(domain, type, protocol);
}

int epoll_create1(int flags) {
  int (*real)(int) = NULL;
  *(void **)&real = next("epoll_create1");
  return is_dry() ? -1 : real(flags);
}

int eventfd(unsigned count, int flags) {
  int (*real)(unsigned, int) = NULL;
  *(void **)&real = next("eventfd");
  return is_dry() ? -1 : real(count, flags);
}

int timerfd_create(clockid_t clock, int flags) {
  int (*real)(clockid_t, int) = NULL;
  *(void **)&real = next("timerfd_create");
  return is_dry() ? -1 : real(clock, flags);
}

static unsigned mode_of(int flags, va_list rest) {
  return flags & O_CREAT ? va_arg(rest, unsigned) : 0;
}

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                         \
    int (*real)(const char *, int, ...) = NULL;                                                                        \
    *(void **)&real = next(#name);                                                                                     \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    unsigned mode = mode_of(flags, rest);                                                                              \
    va_end(rest);                                                                                                      \
    return is_dry() ? -1 : real(path, flags, mode);                                                                    \
  }                                                                                                                    \
  FILE *f##name(const char *path, const char *mode) {                                                                  \
    FILE *(*real)(const char *, const char *) = NULL;                                                                  \
    *(void **)&real = next("f" #name);                                                                                 \
    return is_dry() ? NULL : real(path, mode);                                                                         \
  }

OPEN(open)
OPEN(open64)

static int fail(lua_State *L) {
  long first = (long)luaL_checkinteger(L, 1);
  atomic_store(&from, 0);
  atomic_store(&asked, 0);
  atomic_store(&refused, 0);
  atomic_store(&until, first + (long)luaL_optinteger(L, 2, 1));
  atomic_store(&from, first);
  return 0;
}

static int failed(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)atomic_load(&refused));
  return 1;
}

static int leave(lua_State *L) {
  static rlim_t before;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (before == 0) before = limit.rlim_cur;
  limit.rlim_cur = before;
  if (!lua_isnoneornil(L, 1)) {
    rlim_t at = 0;
    for (lua_Integer free = luaL_checkinteger(L, 1); free > 0 || fcntl((int)at, F_GETFD) >= 0; at++)
      if (fcntl((int)at, F_GETFD) < 0) free--;
    limit.rlim_cur = at;
  }
  lua_pushboolean(L, setrlimit(RLIMIT_NOFILE, &limit) == 0);
  return 1;
}

LUALIB_API int luaopen_drought_probe(lua_State *L);
int luaopen_drought_probe(lua_State *L) {
  static const luaL_Reg functions[] = {{"fail", fail}, {"failed", failed}, {"leave", leave}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
