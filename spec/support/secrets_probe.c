/* secrets_probe: for LD_PRELOAD. Looks into every block of memory that the module under test gives back: none may hold
 * the text that the environment names in PLANTED. What it finds goes, one line each, to the file named in FOUND.
 *
 * The name of the file whose code gave it back is written: core.so is ours, Lua and Paho keep copies of their own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void __libc_free(void *block);

static atomic_bool ready;
static const char *planted;
static int found = -1;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FOUND");
  planted = getenv("PLANTED");
  if (!planted || !path) return;
  found = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  atomic_store(&ready, found >= 0);
}

/* What is found is wiped, or whoever gets this memory next would be blamed for what is left in it. */
static void look(void *block, const void *caller) {
  Dl_info where;
  if (!memmem(block, malloc_usable_size(block), planted, strlen(planted))) return;
  explicit_bzero(block, malloc_usable_size(block));
  if (!dladdr(caller, &where) || !where.dli_fname) return;
  const char *file = strrchr(where.dli_fname, '/');
  file = file ? file + 1 : where.dli_fname;
  ssize_t written = write(found, file, strlen(file)) + write(found, "\n", 1);
  (void)written;
}

void free(void *block) {
  if (block && atomic_load_explicit(&ready, memory_order_relaxed)) look(block, __builtin_return_address(0));
  __libc_free(block);
}
