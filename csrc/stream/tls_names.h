/* tls_names.h: what OpenSSL says has gone wrong, in our words, and what TLS must at least be.
 *
 * Pure but for OpenSSL's tables: no state, nothing to own, any thread.
 */
#ifndef HF_STREAM_TLS_NAMES_H
#define HF_STREAM_TLS_NAMES_H

#include <stdbool.h>

#include "core/reason.h"
#include "stream/openssl.h"

/* Paho lowers OpenSSL's security level to 1 and has no way to ask for a least version. The level is Debian's own again,
 * and no cipher suite is left that any TLS before 1.2 could use; those of 1.3 are not part of these lists. */
#define HF_TLS_CIPHERS "DEFAULT:!SSLv3:!TLSv1:!PSK:!SRP:@SECLEVEL=2"
#define HF_TLS_PSK_CIPHERS "PSK+TLSv1.2:!RSAPSK:@SECLEVEL=2"

typedef struct hf_tls_finding {
  hf_tls_code code; /* 0: nothing wrong was found, or nothing at all */
  char text[240];   /* one line; "" when there is nothing to say beyond the reason's own text */
} hf_tls_finding;

void hf_tls_find(hf_tls_finding *finding, hf_tls_code code, const char *text);

/* Why a chain is not trusted (X509_V_ERR_...), and whose certificate it is about; NULL: nobody's. */
void hf_tls_find_verdict(hf_tls_finding *finding, int verdict, X509 *certificate);

/* The certificate is not for this host, which may be an address. */
bool hf_tls_is_for(X509 *certificate, const char *host);
void hf_tls_find_other_host(hf_tls_finding *finding, X509 *certificate, const char *host);

/* Its key, or that of nobody's certificate, has none of the pins. */
void hf_tls_find_other_key(hf_tls_finding *finding, X509 *certificate);

/* An error of OpenSSL's, an alert of the server's for the most part. `asked`: the server wanted a certificate that we
 * do not have; `psk`: there are none in this at all. */
hf_tls_code hf_tls_code_of_error(unsigned long error, bool asked, bool psk);
void hf_tls_find_error(hf_tls_finding *finding, unsigned long error, bool asked, bool psk);

#endif
