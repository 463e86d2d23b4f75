/* arguments.h: `key=value` words of a command line, for the C programs of the bench.
 *
 * Each asks for what it knows; nothing is owned, argv is borrowed. Main thread
 * only.
 */
#ifndef HF_BENCH_ARGUMENTS_H
#define HF_BENCH_ARGUMENTS_H

#include <stdlib.h>
#include <string.h>

static inline long argument(char **words, const char *key, long fallback) {
  size_t length = strlen(key);
  for (; *words; words++) {
    if (strncmp(*words, key, length) == 0 && (*words)[length] == '=') return strtol(*words + length + 1, NULL, 10);
  }
  return fallback;
}

#endif
