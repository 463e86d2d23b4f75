#include "stream/tls_pem.h"

#include <string.h>

#include "stream/tls_token.h"

bool hf_tls_pem_is_text(const char *source) {
  return strstr(source, "-----BEGIN ") != NULL;
}

bool hf_tls_pem_is_file(const char *source) {
  return !hf_tls_pem_is_text(source) && !hf_tls_token_is(source);
}

const char *hf_tls_pem_name(const char *source) {
  return hf_tls_pem_is_text(source) ? "in memory" : source;
}

BIO *hf_tls_pem_open(const char *source) {
  return hf_tls_pem_is_text(source) ? BIO_new_mem_buf(source, -1) : BIO_new_file(source, "r");
}
