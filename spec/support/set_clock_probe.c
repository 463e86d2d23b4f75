/* set_clock_probe: a clock that is set, which a specification cannot do to its machine, for a process that is started
 * with this in LD_PRELOAD.
 *
 * Once the file is there that SET_CLOCK_PROBE named when the process began (nginx takes the environment from its
 * workers), a timer that a set clock ends (TFD_TIMER_CANCEL_ON_SET, timerfd_create(2)) is ended so, and the file is
 * removed. As a Lua module it is empty. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lua/compat.h"

static const char *path = "";
static int watched = -1;

__attribute__((constructor)) static void begin(void) {
  const char *named = getenv("SET_CLOCK_PROBE");
  if (named && (named = strdup(named))) path = named;
}

/* It rings all the time instead, so that whoever waits for it looks at it. */
int timerfd_settime(int descriptor, int flags, const struct itimerspec *when, struct itimerspec *before) {
  static const struct itimerspec often = {{.tv_nsec = 20000000}, {.tv_nsec = 20000000}};
  int (*real)(int, int, const struct itimerspec *, struct itimerspec *) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "timerfd_settime");
  if (!(flags & TFD_TIMER_CANCEL_ON_SET)) return real(descriptor, flags, when, before);
  watched = descriptor;
  return real(descriptor, 0, &often, before);
}

ssize_t read(int descriptor, void *to, size_t size) {
  ssize_t (*real)(int, void *, size_t) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "read");
  ssize_t got = real(descriptor, to, size);
  if (descriptor != watched || got < 0 || unlink(path) != 0) return got;
  errno = ECANCELED;
  return -1;
}

int luaopen_set_clock_probe(lua_State *L);

int luaopen_set_clock_probe(lua_State *L) {
  lua_newtable(L);
  return 1;
}
