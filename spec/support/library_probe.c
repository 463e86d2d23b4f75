/* library_probe: a system that lacks a library, for a process that is started with this in LD_PRELOAD. As the Lua
 * module `library_probe` it says which. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "lua/compat.h"

static char lacking[40];

void *dlopen(const char *file, int mode) {
  void *(*real)(const char *, int) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "dlopen");
  char other[200];
  if (!file || !lacking[0] || !strstr(file, lacking)) return real(file, mode);
  snprintf(other, sizeof other, "%s.gone", file);
  return real(other, mode);
}

/* gone(word): from now on there is none whose name has it */
static int gone(lua_State *L) {
  snprintf(lacking, sizeof lacking, "%s", luaL_checkstring(L, 1));
  return 0;
}

int luaopen_library_probe(lua_State *L);

int luaopen_library_probe(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, gone);
  lua_setfield(L, -2, "gone");
  return 1;
}
