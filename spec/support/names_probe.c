/* names_probe: a name server that misbehaves, for a process that is started with this in LD_PRELOAD.
 *
 * Names under "slow." take 3 s, under "brief." 0.1 s, under "never." a minute, "missing." has none, "failing." has no
 * server that answers; "broker." is loopback, and so is "passing." unless the file is there that NAMES_PROBE_GONE named
 * when the process began: nginx takes the environment from its workers. "twice." is 127.0.0.2, and then loopback.
 * "told." has the address that stands in the file
 * of NAMES_PROBE_TOLD at the time, none if that is empty. Everything else is asked of the system. As a Lua module it is
 * empty. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/compat.h"

typedef int (*resolve)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static const char *gone = "";

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("NAMES_PROBE_GONE");
  if (path && (path = strdup(path))) gone = path;
}

/* False: there is none. */
static bool read_told(char address[64]) {
  const char *path = getenv("NAMES_PROBE_TOLD");
  FILE *file = path ? fopen(path, "re") : NULL;
  bool fine = file && fscanf(file, "%63s", address) == 1;
  if (file) fclose(file);
  return fine;
}

static bool under(const char *host, const char *domain) {
  return host && strncmp(host, domain, strlen(domain)) == 0;
}

/* freeaddrinfo frees each of a list by itself. */
static int find_two(resolve real, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  struct addrinfo *last;
  int result = real("127.0.0.2", service, hints, found);
  for (last = result ? NULL : *found; last && last->ai_next;)
    last = last->ai_next;
  return last ? real("127.0.0.1", service, hints, &last->ai_next) : result;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  resolve real = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
  bool passing = under(host, "passing.");
  if (under(host, "missing.") || (passing && access(gone, F_OK) == 0)) return EAI_NONAME;
  char address[64];
  if (under(host, "told.")) return read_told(address) ? real(address, service, hints, found) : EAI_NONAME;
  if (under(host, "twice.")) return find_two(real, service, hints, found);
  if (under(host, "failing.")) return EAI_AGAIN;
  if (under(host, "never.")) sleep(60);
  if (under(host, "slow.")) sleep(3);
  if (under(host, "brief.")) usleep(100000);
  bool ours = under(host, "slow.") || under(host, "brief.") || under(host, "never.") || under(host, "broker.");
  ours = ours || passing;
  return real(ours ? "127.0.0.1" : host, service, hints, found);
}

int luaopen_names_probe(lua_State *L);

int luaopen_names_probe(lua_State *L) {
  lua_newtable(L);
  return 1;
}
