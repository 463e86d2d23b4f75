/* tls_token.h: a private key that never leaves the card, the TPM or the module that has it.
 *
 * It is named by a URI of RFC 7512 and used through OpenSSL's engine "pkcs11",
 * which is loaded for the first client that has such a key, and stays; the module
 * is the one that OpenSSL's configuration, PKCS11_MODULE_PATH or p11-kit names. A
 * URI may hold a PIN: what is shown of it ends before that. Waits for
 * whatever the token waits for, so it is for a thread that nobody else needs. The
 * key that comes back may be used on any.
 */
#ifndef HF_STREAM_TLS_TOKEN_H
#define HF_STREAM_TLS_TOKEN_H

#include <stdbool.h>

#include "stream/openssl.h"
#include "stream/tls_names.h"

bool hf_tls_token_is(const char *source);

size_t hf_tls_token_shown(const char *uri); /* how many bytes of it: up to its query, or a PIN as older URIs have it */

/* To be freed with EVP_PKEY_free. NULL: HF_TLS_TOKEN or HF_TLS_TOKEN_LOGIN and the words are in `finding`. `text`, the
 * PIN, may be NULL; the token asks for it only if the URI has none. */
EVP_PKEY *hf_tls_token_key(const char *uri, const char *text, hf_tls_finding *finding);

#endif
