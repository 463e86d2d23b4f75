/* tls_ocsp.h: what a server brings along to prove that its certificate is not revoked.
 *
 * An OCSP response (RFC 6960) that comes with the handshake (RFC 6066 section 8),
 * so nobody else is asked. Signed by the issuer, or by whom it has authorized,
 * about this certificate, and of these days. Pure but for OpenSSL and its clock;
 * borrows what it is given; any thread.
 */
#ifndef HF_STREAM_TLS_OCSP_H
#define HF_STREAM_TLS_OCSP_H

#include <stdbool.h>

#include "stream/openssl.h"
#include "stream/tls_names.h"

/* Once the chain has been verified, in OpenSSL's callback. There must be one if `required`, or if the certificate says
 * so (RFC 7633). False: HF_TLS_OCSP or HF_TLS_REVOKED and the words are in `finding`. */
bool hf_tls_ocsp_holds(SSL *ssl, bool required, hf_tls_finding *finding);

#endif
