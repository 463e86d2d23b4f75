/* wall_probe: a wall clock that is an hour behind the kernel's, for a process that is started with this in LD_PRELOAD.
 *
 * So whoever makes a deadline of it finds that it is over already. As a Lua module it is empty. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lua/compat.h"

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (!failed && clock == CLOCK_REALTIME) now->tv_sec -= 3600;
  return failed;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into) *into = now.tv_sec;
  return now.tv_sec;
}

int luaopen_wall_probe(lua_State *L);

int luaopen_wall_probe(lua_State *L) {
  lua_newtable(L);
  return 1;
}
