/* tls_judge.h: whether a chain of certificates is to be believed, whoever has led the handshake.
 *
 * What OpenSSL looks at within a handshake of its own, with the same verdicts.
 * Borrows all it is given, but what it says; any thread.
 */
#ifndef HF_STREAM_TLS_JUDGE_H
#define HF_STREAM_TLS_JUDGE_H

#include "core/properties.h"
#include "stream/openssl.h"
#include "stream/tls_names.h"

typedef struct hf_tls_expectation {
  X509_STORE *store;
  X509_VERIFY_PARAM *more; /* than a store has: whether lists of revoked certificates are looked at */
  const char *host;        /* as for hf_tls_use_init, without the dot at its end or a zone */
  const char *const *pins; /* NULL: any key will do */
  bool is_address;         /* the host is one */
  bool verifies;           /* else the pins alone count */
} hf_tls_expectation;

/* The chain is in DER, the server's own first. True, or what was found. */
bool hf_tls_judge(const hf_tls_expectation *expected, const hf_bytes *chain, size_t count, hf_tls_finding *finding);

#endif
