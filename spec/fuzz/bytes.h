/* bytes.h: the input of a fuzzer, taken from its front piece by piece.
 *
 * A fuzzer is one file of spec/fuzz with LLVMFuzzerTestOneInput in it; `make
 * fuzz` links it with libFuzzer, the specs with replay.c, which feeds it its
 * corpus and inputs made by a seed. Past the end of the input every piece is 0,
 * so that no input is refused. What breaks a promise goes to `promise`, which
 * ends the process. Owns nothing; one thread.
 */
#ifndef HF_SPEC_FUZZ_BYTES_H
#define HF_SPEC_FUZZ_BYTES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/properties.h"

typedef struct bytes {
  const uint8_t *at;
  size_t left;
} bytes;

static inline uint8_t take_byte(bytes *from) {
  if (from->left == 0) return 0;
  from->left--;
  return *from->at++;
}

static inline uint32_t take_number(bytes *from) {
  uint32_t number = 0;
  for (int i = 0; i < 4; i++)
    number = number << 8 | take_byte(from);
  return number;
}

/* At most 255 of the bytes, in a block of their own that the caller frees: one byte too far is found out. */
static inline hf_bytes take_text(bytes *from) {
  size_t length = take_byte(from);
  if (length > from->left) length = from->left;
  char *copy = malloc(length ? length : 1);
  if (!copy) abort();
  memcpy(copy, from->at, length);
  from->at += length;
  from->left -= length;
  return (hf_bytes){copy, length};
}

static inline void free_text(hf_bytes text) {
  free((void *)(uintptr_t)text.data);
}

#define promise(kept) ((kept) ? (void)0 : (fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #kept), abort()))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
