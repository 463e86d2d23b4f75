/* tls_pins.h: whether a server has one of the public keys that a client was told to expect.
 *
 * A pin is the base64 of the SHA-256 of a SubjectPublicKeyInfo, as in RFC 7469
 * section 2.4. Pure but for OpenSSL; borrows what it is given; any thread.
 */
#ifndef HF_STREAM_TLS_PINS_H
#define HF_STREAM_TLS_PINS_H

#include <stdbool.h>

#include "stream/openssl.h"

/* After a handshake. `pins` is NULL-ended. Where the chain was verified the key of any certificate in it will do
 * (RFC 7469 section 2.6), else that of the server's own alone, since anybody can send the others along. */
bool hf_tls_pins_hold(const char *const *pins, const SSL *ssl, bool verified);

/* Likewise of the certificates in this list. */
bool hf_tls_pins_hold_chain(const char *const *pins, const STACK_OF(X509) * chain);

enum { HF_TLS_PIN = 44 /* characters */ };

/* The pin of a certificate with a NUL at its end; false: there is no memory. */
bool hf_tls_pin_of(X509 *certificate, char *pin);

#endif
