/* tls_certificate.h: what is in a certificate, for people.
 *
 * Reads the DER that a server has shown, with OpenSSL, which must be loaded. It
 * takes what a peer chooses to make of it, within the bounds of core/step.h: not for
 * the thread that turns a loop. The caller owns the struct; any thread.
 */
#ifndef HF_STREAM_TLS_CERTIFICATE_H
#define HF_STREAM_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/properties.h"

enum { HF_CERTIFICATE_NAMES = 16, HF_CERTIFICATE_NAME = 256 /* bytes, with the NUL; what is longer is cut */ };

typedef struct hf_certificate {
  char subject[HF_CERTIFICATE_NAME], issuer[HF_CERTIFICATE_NAME]; /* as "/CN=broker.example" */
  int64_t not_before, not_after;                                  /* seconds since 1970; 0: not to be read */
  size_t name_count;
  char names[HF_CERTIFICATE_NAMES][HF_CERTIFICATE_NAME]; /* hosts and addresses that it is for */
} hf_certificate;

bool hf_certificate_read(hf_bytes der, hf_certificate *certificate); /* false: it is none */

#endif
