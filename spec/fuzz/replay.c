/* What libFuzzer's main is to `make fuzz`, for compilers that have none: a fuzzer's corpus, then inputs made from it by
 * a seed. `fuzzer COUNT SEED FILE...`; a crash leaves its input in the file `crash`. */
#include "bytes.h"
#include "core/random.h"

enum { LONGEST = 4096, FILES = 256 };

static uint8_t seeds[FILES][LONGEST];
static size_t lengths[FILES], files;

static void run(const uint8_t *data, size_t size) {
  uint8_t *exact = malloc(size ? size : 1);
  if (!exact) abort();
  memcpy(exact, data, size);
  LLVMFuzzerTestOneInput(exact, size);
  free(exact);
}

static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || files == FILES) {
    fprintf(stderr, "%s: cannot be read, or one too many\n", path);
    exit(2);
  }
  lengths[files] = fread(seeds[files], 1, LONGEST, file);
  files++;
  fclose(file);
}

/* A file of the corpus with some bytes changed, put in, left out or doubled; or bytes alone. */
static size_t invent(uint64_t *random, uint8_t *input) {
  size_t size = 0;
  if (files && hf_random_between(random, 0, 9)) {
    size_t chosen = hf_random_between(random, 0, (uint32_t)files - 1);
    size = lengths[chosen];
    memcpy(input, seeds[chosen], size);
  }
  for (uint32_t left = hf_random_between(random, 1, 20); left; left--) {
    size_t at = size ? hf_random_between(random, 0, (uint32_t)size - 1) : 0;
    switch (hf_random_between(random, 0, 3)) {
    case 0:
      if (size) input[at] = (uint8_t)hf_random_next(random);
      break;
    case 1:
      if (size) memmove(input + at, input + at + 1, --size - at);
      break;
    case 2:
      if (size) input[at] ^= (uint8_t)(1u << hf_random_between(random, 0, 7));
      break;
    default:
      if (size == LONGEST) break;
      memmove(input + at + 1, input + at, size++ - at);
      input[at] = (uint8_t)hf_random_next(random);
    }
  }
  return size;
}

int main(int count, char **words) {
  if (count < 3) {
    fprintf(stderr, "usage: %s COUNT SEED [FILE...]\n", words[0]);
    return 2;
  }
  for (int i = 3; i < count; i++) {
    load(words[i]);
    run(seeds[files - 1], lengths[files - 1]);
  }
  uint64_t random = strtoull(words[2], NULL, 10);
  static uint8_t input[LONGEST + 1];
  for (long left = strtol(words[1], NULL, 10); left > 0; left--)
    run(input, invent(&random, input));
  return 0;
}
