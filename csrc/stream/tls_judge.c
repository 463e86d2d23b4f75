#include "stream/tls_judge.h"

#include "stream/tls_pins.h"

enum { LEVEL = 2 /* of security: HF_TLS_CIPHERS has it for OpenSSL's own handshakes */ };

static STACK_OF(X509) * read_chain(const hf_bytes *chain, size_t count, hf_tls_finding *finding) {
  STACK_OF(X509) *read = sk_X509_new_null();
  for (size_t i = 0; read && i < count; i++) {
    const unsigned char *at = (const unsigned char *)chain[i].data;
    X509 *one = d2i_X509(NULL, &at, (long)chain[i].length);
    if (!one) hf_tls_find(finding, HF_TLS_CERTIFICATE, "what the server shows is no certificate");
    if (one && sk_X509_push(read, one) > 0) continue;
    X509_free(one);
    sk_X509_pop_free(read, X509_free);
    return NULL;
  }
  return read;
}

static bool expect(X509_STORE_CTX *look, const hf_tls_expectation *expected) {
  X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(look);
  if (X509_STORE_CTX_set_default(look, "ssl_server") != 1 || X509_VERIFY_PARAM_set1(param, expected->more) != 1)
    return false;
  X509_VERIFY_PARAM_set_auth_level(param, LEVEL);
  return expected->is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, expected->host) == 1
                              : X509_VERIFY_PARAM_set1_host(param, expected->host, 0) == 1;
}

static void explain(X509_STORE_CTX *look, const char *host, hf_tls_finding *finding) {
  int verdict = X509_STORE_CTX_get_error(look);
  X509 *whose = X509_STORE_CTX_get_current_cert(look);
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
    hf_tls_find_other_host(finding, whose, host);
  else
    hf_tls_find_verdict(finding, verdict, whose);
}

static bool verify(const hf_tls_expectation *expected, STACK_OF(X509) * chain, hf_tls_finding *finding) {
  X509_STORE_CTX *look = X509_STORE_CTX_new();
  bool fine = false;
  if (look && X509_STORE_CTX_init(look, expected->store, sk_X509_value(chain, 0), chain) == 1 &&
      expect(look, expected)) {
    fine = X509_verify_cert(look) == 1;
    if (!fine) explain(look, expected->host, finding);
    if (fine && expected->pins && !hf_tls_pins_hold_chain(expected->pins, X509_STORE_CTX_get0_chain(look))) {
      hf_tls_find_other_key(finding, sk_X509_value(chain, 0));
      fine = false;
    }
  }
  X509_STORE_CTX_free(look);
  return fine;
}

bool hf_tls_judge(const hf_tls_expectation *expected, const hf_bytes *chain, size_t count, hf_tls_finding *finding) {
  *finding = (hf_tls_finding){0};
  if (!expected->verifies && !expected->pins) return true;
  if (count == 0) {
    hf_tls_find(finding, expected->verifies ? HF_TLS_CERTIFICATE : HF_TLS_OTHER_KEY, "the server shows none");
    return false;
  }
  ERR_clear_error();
  STACK_OF(X509) *read = read_chain(chain, expected->verifies ? count : 1, finding);
  bool fine = read != NULL;
  if (fine && expected->verifies) {
    fine = verify(expected, read, finding);
  } else if (fine && !hf_tls_pins_hold_chain(expected->pins, read)) {
    hf_tls_find_other_key(finding, sk_X509_value(read, 0));
    fine = false;
  }
  sk_X509_pop_free(read, X509_free);
  ERR_clear_error();
  return fine;
}
