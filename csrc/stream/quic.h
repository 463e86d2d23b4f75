/* quic.h: the seam at which QUIC, which is a shared object of its own (csrc/quic), is joined to the rest.
 *
 * Who does not want QUIC needs neither ngtcp2 nor GnuTLS: nothing of ours is
 * linked with them. What the object can do is in an hf_quic_part, which csrc/lua
 * hands to hf_quic_join when the first server of that road is used; what it needs
 * of us, beyond what is compiled into both, in an hf_quic_host. Each side looks
 * whether the other was made for the same seam before anything else crosses it.
 * Both structs are static; what is joined stays. Any thread, but where it says
 * otherwise.
 *
 * TLS towards a QUIC server is GnuTLS's, with a half of its own of an
 * hf_tls_context, which lives as long as that. Whether a server is to be believed
 * is asked of the context (OpenSSL), so it has the same names as everywhere.
 */
#ifndef HF_STREAM_QUIC_H
#define HF_STREAM_QUIC_H

#include "stream/stream.h"

enum { HF_QUIC_SEAM = 3 }; /* another one whenever something that crosses it changes its form or its meaning */

/* What the compiler can tell of that by itself. */
#define HF_QUIC_LAYOUT                                                                                                 \
  ((uint64_t)sizeof(hf_loop) << 48 ^ (uint64_t)sizeof(hf_stream_target) << 36 ^                                        \
   (uint64_t)sizeof(hf_stream_end) << 24 ^ (uint64_t)sizeof(hf_stream_operations) << 12 ^                              \
   (uint64_t)sizeof(hf_stream_progress) << 6 ^ (uint64_t)sizeof(hf_stream_path) << 3 ^ sizeof(hf_tls_options))

typedef struct hf_quic_half hf_quic_half; /* the part's own */

typedef struct hf_quic_host {   /* of ours, for the part */
  void (*mark)(int descriptor); /* sys/private.h */
  void (*unmark)(int descriptor);
  hf_tls_context *(*hold)(hf_tls_context *context);
  void (*drop)(hf_tls_context *context);
  hf_quic_half *(*half)(hf_tls_context *context);
  /* Whether a server with this chain (DER, its own first) may be believed to be this host. False: `problem` says why
   * not. */
  bool (*judge)(hf_tls_context *context, const hf_bytes *chain, size_t count, const char *host,
                hf_tls_problem *problem);
  /* See stream/tls_context.h: of HF_STREAM_VAULT_KEY bytes. */
  bool (*fingerprint)(const hf_tls_context *context, const char *host, uint16_t port, unsigned char *fingerprint);
} hf_quic_host;

typedef struct hf_quic_part {
  uint32_t seam;
  uint64_t layout;
  const char *made_of; /* "ngtcp2 0.12.1, GnuTLS 3.7.9" */

  /* Once, before all others. False: it was made for another seam. */
  bool (*join)(const hf_quic_host *host, uint32_t seam, uint64_t layout);

  /* Reads files and takes its time. NULL: `problem` says why. */
  hf_quic_half *(*prepare)(const hf_tls_options *options, hf_tls_problem *problem);
  void (*release)(hf_quic_half *half);

  hf_stream_open_function *open; /* as a stream's; the thread that turns the loop */
} hf_quic_part;

enum { HF_QUIC_PROBLEM = 160 };

/* Again for the same one is nothing new. False: `problem`, of HF_QUIC_PROBLEM bytes, says why. */
bool hf_quic_join(const hf_quic_part *part, char *problem);
bool hf_quic_is_there(void);

/* As hf_tls_context_get and _find (stream/tls.h), with the half that QUIC needs. */
hf_tls_context *hf_quic_context_get(const hf_tls_options *options, hf_tls_problem *problem);
hf_tls_context *hf_quic_context_find(const hf_tls_options *options);

void hf_quic_release(hf_quic_half *half); /* NULL is fine */

hf_stream_open_function hf_quic_open; /* with a context of these alone */

#endif
