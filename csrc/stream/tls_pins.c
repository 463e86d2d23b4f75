#include "stream/tls_pins.h"

#include <string.h>

bool hf_tls_pin_of(X509 *certificate, char *pin) {
  unsigned char *key = NULL, digest[SHA256_DIGEST_LENGTH];
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
  bool fine = length > 0 && EVP_Digest(key, (size_t)length, digest, NULL, EVP_sha256(), NULL) == 1;
  OPENSSL_free(key);
  if (fine) EVP_EncodeBlock((unsigned char *)pin, digest, sizeof digest);
  return fine;
}

static bool is_pinned(const char *const *pins, X509 *certificate) {
  char pin[HF_TLS_PIN + 1];
  if (!hf_tls_pin_of(certificate, pin)) return false;
  while (*pins && strcmp(*pins, pin) != 0)
    pins++;
  return *pins != NULL;
}

bool hf_tls_pins_hold_chain(const char *const *pins, const STACK_OF(X509) * chain) {
  bool found = false;
  for (int i = 0; !found && i < sk_X509_num(chain); i++)
    found = is_pinned(pins, sk_X509_value(chain, i));
  return found;
}

bool hf_tls_pins_hold(const char *const *pins, const SSL *ssl, bool verified) {
  X509 *own = SSL_get_peer_certificate(ssl);
  bool found = own && is_pinned(pins, own);
  X509_free(own);
  STACK_OF(X509) *chain = verified ? SSL_get0_verified_chain(ssl) : NULL;
  return found || (chain && hf_tls_pins_hold_chain(pins, chain));
}
