#include "stream/tls_names.h"

#include <stdio.h>
#include <string.h>

#include "stream/openssl.h"
#include "stream/tls_pins.h"

void hf_tls_find(hf_tls_finding *finding, hf_tls_code code, const char *text) {
  finding->code = code;
  snprintf(finding->text, sizeof finding->text, "%s", text);
}

static hf_tls_code code_of(int verdict) {
  switch (verdict) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    return HF_TLS_EXPIRED;
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return HF_TLS_NOT_YET_VALID;
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    return HF_TLS_SELF_SIGNED;
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* an authority of the right name, and another key */
  case X509_V_ERR_CERT_UNTRUSTED:
    return HF_TLS_UNKNOWN_CA;
  case X509_V_ERR_CERT_REVOKED:
    return HF_TLS_REVOKED;
  case X509_V_ERR_UNABLE_TO_GET_CRL:
  case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
  case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
  case X509_V_ERR_CRL_SIGNATURE_FAILURE:
  case X509_V_ERR_CRL_NOT_YET_VALID:
  case X509_V_ERR_CRL_HAS_EXPIRED:
  case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
  case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
  case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
  case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
  case X509_V_ERR_DIFFERENT_CRL_SCOPE:
  case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
    return HF_TLS_CRL;
  default:
    return HF_TLS_CERTIFICATE;
  }
}

/* Names in a certificate are whatever its maker wrote; X509_NAME_oneline leaves nothing in them that could upset a
 * terminal. */
static void name_of(X509 *certificate, char *name, int room) {
  name[0] = '\0';
  if (certificate) X509_NAME_oneline(X509_get_subject_name(certificate), name, room);
}

void hf_tls_find_verdict(hf_tls_finding *finding, int verdict, X509 *certificate) {
  char name[120], text[sizeof finding->text];
  name_of(certificate, name, sizeof name);
  snprintf(text, sizeof text, "%s: %s", X509_verify_cert_error_string(verdict), name);
  hf_tls_find(finding, code_of(verdict), text);
}

bool hf_tls_is_for(X509 *certificate, const char *host) {
  return X509_check_host(certificate, host, strlen(host), 0, NULL) == 1 || X509_check_ip_asc(certificate, host, 0) == 1;
}

void hf_tls_find_other_host(hf_tls_finding *finding, X509 *certificate, const char *host) {
  char name[120], text[sizeof finding->text];
  name_of(certificate, name, sizeof name);
  snprintf(text, sizeof text, "the certificate is not for %.80s: %s", host, name);
  hf_tls_find(finding, HF_TLS_HOSTNAME, text);
}

void hf_tls_find_other_key(hf_tls_finding *finding, X509 *certificate) {
  char name[120], pin[HF_TLS_PIN + 1] = "none", text[sizeof finding->text];
  name_of(certificate, name, sizeof name);
  if (certificate) hf_tls_pin_of(certificate, pin);
  snprintf(text, sizeof text, "its key is %s: %s", pin, name);
  hf_tls_find(finding, HF_TLS_OTHER_KEY, text);
}

hf_tls_code hf_tls_code_of_error(unsigned long error, bool asked, bool psk) {
  if (ERR_GET_LIB(error) >= ERR_LIB_USER) return HF_TLS_TOKEN; /* an engine's, so it is about a key that is a token's */
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return HF_TLS_HANDSHAKE;
  switch (ERR_GET_REASON(error)) {
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    return HF_TLS_VERSION;
  case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: /* how a TLS 1.2 server says that it wants a certificate */
    return asked ? HF_TLS_CLIENT_CERTIFICATE : HF_TLS_HANDSHAKE;
  case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
  case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
  case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
  case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
  case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    return psk ? HF_TLS_HANDSHAKE : HF_TLS_CLIENT_CERTIFICATE;
  default:
    return HF_TLS_HANDSHAKE;
  }
}

void hf_tls_find_error(hf_tls_finding *finding, unsigned long error, bool asked, bool psk) {
  char text[160];
  ERR_error_string_n(error, text, sizeof text); /* "error:<number>:<library>:<function>:<reason>" */
  const char *reason = ERR_reason_error_string(error);
  hf_tls_find(finding, hf_tls_code_of_error(error, asked, psk), reason ? reason : text);
}
