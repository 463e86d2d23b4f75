#include "famine.h"

#include <errno.h>
#include <stddef.h>

static long left; /* requests until the one that fails; 0: none will */
static bool failed;

void famine_fail(long number) {
  left = number;
  failed = false;
}

bool famine_has_failed(void) {
  return failed;
}

static bool fails(void) {
  if (left == 0 || --left > 0) return false;
  failed = true;
  errno = ENOMEM;
  return true;
}

/* The linker's --wrap gives these names their meaning. */
#define STANDS_BEFORE(name, parameters, arguments)                                                                     \
  void *__real_##name parameters;                                                                                      \
  void *__wrap_##name parameters;                                                                                      \
  void *__wrap_##name parameters {                                                                                     \
    return fails() ? NULL : __real_##name arguments;                                                                   \
  }

STANDS_BEFORE(malloc, (size_t size), (size))
STANDS_BEFORE(calloc, (size_t count, size_t size), (count, size))
STANDS_BEFORE(realloc, (void *block, size_t size), (block, size))
STANDS_BEFORE(strdup, (const char *text), (text))
STANDS_BEFORE(strndup, (const char *text, size_t length), (text, length))
