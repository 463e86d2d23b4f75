/* tls_trust.h: the authorities that are trusted, read once for all contexts that name the same ones.
 *
 * The system's store is some 750 KiB and 30 ms, so a client with a certificate
 * of its own shares it with the others. It is read as a whole: OpenSSL would look
 * into a folder when a certificate comes, on the thread that turns the loop.
 * Counted, under a lock of its own; any thread. Making one waits for the disk.
 */
#ifndef HF_STREAM_TLS_TRUST_H
#define HF_STREAM_TLS_TRUST_H

#include "stream/openssl.h"
#include "stream/tls_names.h"

typedef struct hf_tls_trust hf_tls_trust;

/* With the lists of revoked certificates in `crl`, a file or PEM; NULL: none. `ca` names a file of certificates or a
 * hashed folder, or is PEM; NULL: the system's. NULL when it cannot be read, which `finding` tells, or when memory is
 * short, and then it does not. */
hf_tls_trust *hf_tls_trust_get(const char *ca, const char *crl, hf_tls_finding *finding);
void hf_tls_trust_drop(hf_tls_trust *trust);
X509_STORE *hf_tls_trust_store(const hf_tls_trust *trust);

/* When the first of its lists is too old to say anything, on hf_clock_ms; INT64_MAX: never. */
int64_t hf_tls_trust_end(const hf_tls_trust *trust);

/* None of its files has changed, as far as can be said without a look within `age` ms of the last one. */
bool hf_tls_trust_holds(hf_tls_trust *trust, int64_t now, int64_t age);

#endif
