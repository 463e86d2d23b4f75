/* tls_pem.h: what an option of `tls` says: the name of a file, or PEM itself.
 *
 * A program that has its certificates from a vault has no file to name, so each
 * option that takes one takes its text too. What is shown of such an option is
 * "in memory", never a byte of it. Borrows what it is given; any thread.
 */
#ifndef HF_STREAM_TLS_PEM_H
#define HF_STREAM_TLS_PEM_H

#include <stdbool.h>

#include "stream/openssl.h"

bool hf_tls_pem_is_text(const char *source);
bool hf_tls_pem_is_file(const char *source); /* nor a token's URI: stream/tls_token.h */

const char *hf_tls_pem_name(const char *source); /* to be shown, up to a token's "?" */

/* To be read and freed with BIO_free; NULL: OpenSSL says why. Waits for the disk; any thread. */
BIO *hf_tls_pem_open(const char *source);

#endif
