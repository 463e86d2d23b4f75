#define _GNU_SOURCE
#include "quic/part.h"

#include <dlfcn.h>
#include <gnutls/gnutls.h>

#include "quic/half.h"
#include "quic/versions.h"

const hf_quic_host *hf_quic_host_there;

/* The keeper's thread runs in this object, too: see csrc/lua/module.c. */
static void pin(void) {
  Dl_info info;
  if (dladdr(&hf_quic_part_here, &info) && info.dli_fname)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static bool join(const hf_quic_host *host, uint32_t seam, uint64_t layout) {
  if (seam != HF_QUIC_SEAM || layout != HF_QUIC_LAYOUT) return false;
  pin();
  hf_quic_host_there = host;
  return true;
}

const hf_quic_part hf_quic_part_here = {.seam = HF_QUIC_SEAM,
                                        .layout = HF_QUIC_LAYOUT,
                                        .made_of = "ngtcp2 " NGTCP2_VERSION ", GnuTLS " GNUTLS_VERSION,
                                        .join = join,
                                        .prepare = hf_quic_half_prepare,
                                        .release = hf_quic_half_release,
                                        .open = hf_quic_stream_open};
