/* exit_probe: what is left of OpenSSL when a process has run its exit handlers, as the Lua module `exit_probe`.
 *
 * Loaded before holdfast and after it makes no difference: a library's destructor runs after what is registered with
 * atexit(3). One thread, and no memory. */
#include <lauxlib.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>

static bool watched;

/* watch(): prints "OpenSSL lives" or "OpenSSL is gone" at the process's end */
static int watch(lua_State *L) {
  (void)L;
  watched = true;
  return 0;
}

__attribute__((destructor)) static void tell(void) {
  if (!watched) return;
  puts(OPENSSL_init_crypto(0, NULL) ? "OpenSSL lives" : "OpenSSL is gone");
  fflush(stdout);
}

LUALIB_API int luaopen_exit_probe(lua_State *L);
int luaopen_exit_probe(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, watch);
  lua_setfield(L, -2, "watch");
  return 1;
}
