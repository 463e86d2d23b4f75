/* exit_probe: what is left of OpenSSL and of the keeper when a process has run its exit handlers, as the Lua module
 * `exit_probe`.
 *
 * Loaded before holdfast and after it makes no difference: a library's destructor runs after what is registered with
 * atexit(3). One thread, and no memory. */
#include <dirent.h>
#include <lauxlib.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool watched;

/* watch(): prints "OpenSSL lives" or "OpenSSL is gone" at the process's end, and "the keeper lives" or "... is gone" */
static int watch(lua_State *L) {
  (void)L;
  watched = true;
  return 0;
}

/* exit_on_term(): SIGTERM calls exit(3) where it comes */
static int exit_on_term(lua_State *L) {
  (void)L;
  signal(SIGTERM, exit);
  return 0;
}

static bool has_thread(const char *name) {
  DIR *tasks = opendir("/proc/self/task");
  bool found = false;
  for (const struct dirent *task; tasks && !found && (task = readdir(tasks));) {
    char path[300], said[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    found = fgets(said, sizeof said, file) && strcmp(strtok(said, "\n"), name) == 0;
    fclose(file);
  }
  if (tasks) closedir(tasks);
  return found;
}

__attribute__((destructor)) static void tell(void) {
  if (!watched) return;
  puts(OPENSSL_init_crypto(0, NULL) ? "OpenSSL lives" : "OpenSSL is gone");
  puts(has_thread("holdfast") ? "the keeper lives" : "the keeper is gone");
  fflush(stdout);
}

LUALIB_API int luaopen_exit_probe(lua_State *L);
int luaopen_exit_probe(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, watch);
  lua_setfield(L, -2, "watch");
  lua_pushcfunction(L, exit_on_term);
  lua_setfield(L, -2, "exit_on_term");
  return 1;
}
