#define _DEFAULT_SOURCE
#include "keeper/options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static bool is_pair(const hf_server *first, const hf_server *second) {
  return first->road == HF_ROAD_QUIC && second->road == HF_ROAD_TCP && second->tls && !second->service &&
         strcasecmp(first->host, second->host) == 0;
}

void hf_options_pair(hf_client_options *options) {
  bool direct = options->transport == HF_TRANSPORT_NATIVE && !options->proxy_secure && !options->ask_proxy &&
                !options->zero_rtt; /* a CONNECT that goes before the handshake cannot be taken back */
  enum { MOST = 63 };
  options->engine.pairs = 0;
  for (size_t i = 0; direct && i + 1 < options->engine.server_count && i < MOST; i++) {
    if (!is_pair(&options->servers[i], &options->servers[i + 1])) continue;
    options->engine.pairs |= UINT64_C(1) << i;
    i++;
  }
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
