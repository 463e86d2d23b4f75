/* famine_probe: memory that is short now and then for our module's own threads, for a process that is started with this
 * in LD_PRELOAD.
 *
 * In such a process `require "famine_probe"` gives
 *   every(n)    of the requests for memory that the module makes off the main thread every n-th fails; 0: none does
 *   every(n, "quic")   those that the module of QUIC makes, on any thread; "ngtcp2": likewise that library
 *   failed()    how many have failed
 * What Lua, Paho, OpenSSL and SQLite ask for is never refused, nor what the module asks for on Lua's thread, where a
 * refusal is an error of the caller's. A sanitizer's allocator is behind this one if there is one; nothing here is
 * checked, since it is called before that knows of itself. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/compat.h"

enum { CORE, QUIC, NGTCP2, PARTS };

static uintptr_t from[PARTS], to[PARTS]; /* where the module lies, that of QUIC, and what that is made with */
static atomic_int who;
static atomic_ulong rate, asked, refused;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

#define WEAK __attribute__((weak))
WEAK void *__interceptor_malloc(size_t size);
WEAK void *__interceptor_calloc(size_t count, size_t size);
WEAK void *__interceptor_realloc(void *block, size_t size);

#define UNCHECKED __attribute__((no_sanitize("address", "undefined", "thread")))

UNCHECKED static void *real_malloc(size_t size) {
  return __interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size);
}

UNCHECKED static bool lies_in(int part, uintptr_t at) {
  return at >= from[part] && at < to[part];
}

UNCHECKED static bool fails(const void *caller) {
  unsigned long every = atomic_load_explicit(&rate, memory_order_relaxed);
  int part = atomic_load_explicit(&who, memory_order_relaxed);
  if (every == 0 || !lies_in(part, (uintptr_t)caller) || (part == CORE && gettid() == getpid())) return false;
  if (atomic_fetch_add(&asked, 1) % every != every - 1) return false;
  atomic_fetch_add(&refused, 1);
  errno = ENOMEM;
  return true;
}

UNCHECKED void *malloc(size_t size) {
  return fails(__builtin_return_address(0)) ? NULL : real_malloc(size);
}

UNCHECKED void *calloc(size_t count, size_t size) {
  if (fails(__builtin_return_address(0))) return NULL;
  return __interceptor_calloc ? __interceptor_calloc(count, size) : __libc_calloc(count, size);
}

UNCHECKED void *realloc(void *block, size_t size) {
  if (fails(__builtin_return_address(0))) return NULL;
  return __interceptor_realloc ? __interceptor_realloc(block, size) : __libc_realloc(block, size);
}

UNCHECKED static char *copy(const char *text, size_t length) {
  char *made = real_malloc(length + 1);
  if (!made) return NULL;
  memcpy(made, text, length);
  made[length] = '\0';
  return made;
}

#undef strdup
#undef strndup

UNCHECKED char *strdup(const char *text) {
  return fails(__builtin_return_address(0)) ? NULL : copy(text, strlen(text));
}

UNCHECKED char *strndup(const char *text, size_t length) {
  return fails(__builtin_return_address(0)) ? NULL : copy(text, strnlen(text, length));
}

static int look(struct dl_phdr_info *about, size_t size, void *context) {
  static const char *const names[PARTS] = {"/holdfast/core.so", "/holdfast/quic.so", "/libngtcp2.so"};
  int which = 0;
  (void)size, (void)context;
  while (which < PARTS && !strstr(about->dlpi_name, names[which]))
    which++;
  if (which == PARTS) return 0;
  for (int i = 0; i < about->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &about->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
    from[which] = about->dlpi_addr + part->p_vaddr;
    to[which] = from[which] + part->p_memsz;
  }
  return 0;
}

static int set_rate(lua_State *L) {
  dl_iterate_phdr(look, NULL);
  if (!to[0]) return luaL_error(L, "holdfast.core has not been loaded");
  const char *part = luaL_optstring(L, 2, "");
  atomic_store(&who, *part == 'q' ? QUIC : *part == 'n' ? NGTCP2 : CORE);
  atomic_store(&rate, 0);
  atomic_store(&asked, 0);
  atomic_store(&rate, (unsigned long)luaL_checkinteger(L, 1));
  return 0;
}

static int failed(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)atomic_load(&refused));
  return 1;
}

int luaopen_famine_probe(lua_State *L);

int luaopen_famine_probe(lua_State *L) {
  static const luaL_Reg functions[] = {{"every", set_rate}, {"failed", failed}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
