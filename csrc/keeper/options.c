#define _DEFAULT_SOURCE
#include "keeper/options.h"

#include <stdlib.h>
#include <string.h>

struct hf_options_block {
  hf_options_block *next;
  size_t size;
  max_align_t data[];
};

hf_client_options *hf_options_new(void) {
  return calloc(1, sizeof(hf_client_options));
}

void hf_options_free(hf_client_options *options) {
  if (!options) return;
  for (hf_options_block *block = options->blocks, *next; block; block = next) {
    next = block->next;
    explicit_bzero(block->data, block->size);
    free(block);
  }
  free(options);
}

const hf_link_tls *hf_options_tls(const hf_client_options *options) {
  static const hf_link_tls verified = {.verify = true};
  return options->tls ? options->tls : &verified;
}

void *hf_options_allocate(hf_client_options *options, size_t size) {
  hf_options_block *block = calloc(1, sizeof *block + size);
  if (!block) return NULL;
  block->size = size;
  block->next = options->blocks;
  options->blocks = block;
  return block->data;
}

char *hf_options_copy(hf_client_options *options, const char *data, size_t length) {
  char *copy = hf_options_allocate(options, length + 1);
  if (copy && length > 0) memcpy(copy, data, length);
  return copy;
}
