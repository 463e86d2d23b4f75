/* tls_context.h: what is inside of a context, for the streams that use it.
 *
 * The context belongs to those who hold it; what it points to, to itself. All of
 * it but the tickets stays as it was made, for any thread to read; the tickets
 * are under the lock of the contexts, which these functions take.
 */
#ifndef HF_STREAM_TLS_CONTEXT_H
#define HF_STREAM_TLS_CONTEXT_H

#include "stream/openssl.h"
#include "stream/tls.h"
#include "stream/tls_names.h"

bool hf_tls_context_verifies(const hf_tls_context *context);
bool hf_tls_context_has_psk(const hf_tls_context *context);

/* After a handshake: whether a key is pinned that the server has, if any is. One that takes up a session has had it
 * when that began, under this same context; the chain that was verified then is not kept. */
bool hf_tls_context_has_pinned(const hf_tls_context *context, SSL *ssl);

/* What QUIC has of its own of the same options (stream/quic.h); NULL: nothing yet. It is the context's from when it is
 * kept, unless there was one already: then it is given back. */
struct hf_quic_half *hf_tls_context_half(hf_tls_context *context);
struct hf_quic_half *hf_tls_context_keep_half(hf_tls_context *context, struct hf_quic_half *half);

/* What tells the tickets of this identity with a server apart from all others, over the end of the process: a digest
 * of the options but for what is secret in them, of the state of the files with our own certificate and key, and of
 * the server. The trust is not in it: who takes a ticket from a file judges its chain anew. False: no memory. */
enum { HF_TLS_FINGERPRINT = 32 };
bool hf_tls_context_fingerprint(const hf_tls_context *context, const char *host, uint16_t port,
                                unsigned char fingerprint[HF_TLS_FINGERPRINT]);

/* The look at a server's chain (DER, its own first) where the handshake is not OpenSSL's. */
bool hf_tls_context_judge(hf_tls_context *context, const hf_bytes *chain, size_t count, const char *host,
                          hf_tls_problem *problem);

typedef struct hf_tls_use { /* the application's data of each SSL made of a context */
  hf_tls_context *context;  /* a reference */
  char *host;               /* as in SNI and in the check: see hf_tls_use_init */
  hf_tls_finding *finding;  /* the stream's own, for what is found in the middle of a handshake */
  uint16_t port;
  bool is_address; /* the host is one, and no name */
  bool trusted;    /* the server has passed all checks: from then on its tickets are taken */
  bool waiting;    /* it gave one before that (TLS 1.2) */
} hf_tls_use;

/* Takes a reference to the context; the host without the dot at its end, or its zone. False: no memory. */
bool hf_tls_use_init(hf_tls_use *use, hf_tls_context *context, const char *host, uint16_t port,
                     hf_tls_finding *finding);
void hf_tls_use_free(hf_tls_use *use);

/* The SSL, with what it may be resumed by, if there is anything; NULL: no memory. */
SSL *hf_tls_use_begin(hf_tls_use *use);
void hf_tls_use_trust(hf_tls_use *use, SSL *ssl);
void hf_tls_use_distrust(hf_tls_use *use); /* TLS has failed: no ticket of that server is used again */

#endif
