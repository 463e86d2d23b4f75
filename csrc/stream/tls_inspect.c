#include "stream/tls_inspect.h"

enum { NAME = 256 };

/* Encoded as it came: OpenSSL keeps that. */
static void put(hf_step *step, X509 *certificate) {
  unsigned char *der = NULL;
  int length = i2d_X509(certificate, &der);
  if (length > 0) hf_step_bytes(step, HF_STEP_DER, "chain", (hf_bytes){(char *)der, (size_t)length});
  OPENSSL_free(der);
}

void hf_tls_inspect_chain(const hf_inspector *inspector, const char *host, STACK_OF(X509) * chain,
                          const char *problem) {
  int count = chain ? sk_X509_num(chain) : 0;
  hf_step *step = hf_step_new(HF_STEP_CERTIFICATES, HF_STEP_MOST);
  hf_step_text(step, "host", host);
  hf_step_text(step, "problem", problem);
  for (int i = 0; step && i < count && i < HF_TLS_SHOWN; i++)
    put(step, sk_X509_value(chain, i));
  if (step && count > HF_TLS_SHOWN) step->cut = true;
  ERR_clear_error();
  hf_inspect(inspector, step);
}

void hf_tls_inspect_session(const hf_inspector *inspector, const char *host, SSL *ssl) {
  const unsigned char *alpn = NULL;
  unsigned length = 0;
  hf_step *step = hf_step_new(HF_STEP_TLS, 5 * (HF_STEP_FIELD + NAME));
  SSL_get0_alpn_selected(ssl, &alpn, &length);
  hf_step_text(step, "host", host);
  hf_step_text(step, "version", SSL_get_version(ssl));
  hf_step_text(step, "cipher", SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)));
  hf_step_bytes(step, HF_STEP_TEXT, "alpn", (hf_bytes){(const char *)alpn, length});
  hf_step_flag(step, "resumed", SSL_session_reused(ssl));
  hf_inspect(inspector, step);
}
