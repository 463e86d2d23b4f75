#define _GNU_SOURCE
#include "stream/tls_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/topic.h"
#include "stream/openssl.h"
#include "stream/tls_pem.h"
#include "stream/tls_token.h"

enum { SHOWN = 120 /* bytes of a path; its end tells more than its beginning */ };

typedef struct pass_phrase {
  const char *text; /* NULL: none was given */
  bool asked;       /* the file is encrypted */
} pass_phrase;

static int give_phrase(char *buffer, int size, int writing, void *context) {
  (void)writing;
  pass_phrase *mine = context;
  size_t length = mine->text ? strlen(mine->text) : 0;
  mine->asked = true;
  if (length >= (size_t)size) return 0;
  if (length) memcpy(buffer, mine->text, length);
  return (int)length;
}

/* A path is any bytes. */
static bool blame(hf_tls_finding *finding, const char *option, const char *source, const char *words) {
  const char *path = hf_tls_pem_name(source);
  size_t length = strlen(path);
  if (hf_tls_token_is(path)) length = hf_tls_token_shown(path);
  bool cut = length > SHOWN;
  finding->code = HF_TLS_FILE;
  snprintf(finding->text, sizeof finding->text, "%s %s%.*s: %s", option, cut ? "..." : "", cut ? SHOWN : (int)length,
           cut ? path + length - SHOWN : path, words);
  hf_utf8_to_line(finding->text);
  return false;
}

bool hf_tls_is_short(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

static bool wants_memory(unsigned long error) {
  int reason = ERR_GET_REASON(error);
  return error && (reason == ERR_R_MALLOC_FAILURE || reason == ERR_R_INIT_FAIL);
}

bool hf_tls_is_starved(void) {
  return wants_memory(ERR_peek_error()) || wants_memory(ERR_peek_last_error());
}

bool hf_tls_unread(hf_tls_finding *finding, const char *option, const char *path, int error) {
  char words[80];
  blame(finding, option, path, strerror_r(error, words, sizeof words));
  if (hf_tls_is_short(error)) finding->code = 0;
  return false;
}

/* What OpenSSL said first is what went wrong. Of the system's errors it has no words in some versions. */
bool hf_tls_unreadable(hf_tls_finding *finding, const char *option, const char *path, const char *what) {
  unsigned long error = ERR_peek_error();
  char words[100];
  if (ERR_GET_LIB(error) == ERR_LIB_SYS) return hf_tls_unread(finding, option, path, ERR_GET_REASON(error));
  if (hf_tls_is_starved()) return false;
  const char *reason = error ? ERR_reason_error_string(error) : "there is none";
  snprintf(words, sizeof words, "no %s can be read from it (%s)", what, reason ? reason : "unknown error");
  return blame(finding, option, path, words);
}

static EVP_PKEY *read_key(const char *source, pass_phrase *phrase, hf_tls_finding *finding) {
  if (hf_tls_token_is(source)) return hf_tls_token_key(source, phrase->text, finding);
  BIO *pem = hf_tls_pem_open(source);
  EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey(pem, NULL, give_phrase, phrase) : NULL;
  BIO_free(pem);
  return key;
}

static bool use_key(SSL_CTX *context, const char *source, pass_phrase *phrase, hf_tls_finding *finding) {
  EVP_PKEY *key = read_key(source, phrase, finding);
  bool fine = key && SSL_CTX_use_PrivateKey(context, key) == 1; /* one of another kind is taken beside it */
  EVP_PKEY_free(key);
  return fine;
}

static bool load_key(SSL_CTX *context, const hf_tls_options *tls, pass_phrase *phrase, hf_tls_finding *finding) {
  const char *path = tls->key ? tls->key : tls->cert;
  const char *option = tls->key ? "tls.key" : "tls.key (the same as tls.cert)";
  static const char *const other = "not the key of the certificate in tls.cert";
  if (use_key(context, path, phrase, finding))
    return SSL_CTX_check_private_key(context) == 1 || blame(finding, option, path, other);
  if (finding->code) return false; /* a token has said what is wrong */
  unsigned long error = ERR_peek_error();
  if (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH)
    return blame(finding, option, path, other);
  if (phrase->asked)
    return blame(finding, option, path,
                 phrase->text ? "tls.key_password is not its pass phrase" : "it wants a tls.key_password");
  return hf_tls_unreadable(finding, option, path, "private key");
}

/* Whoever signed it, if they follow: as many as there are, but the end of them must be that of the text. */
static bool use_others(SSL_CTX *context, BIO *pem) {
  pass_phrase none = {0};
  X509 *other;
  while ((other = PEM_read_bio_X509(pem, NULL, give_phrase, &none)))
    if (SSL_CTX_add0_chain_cert(context, other) != 1) {
      X509_free(other);
      return false;
    }
  unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) return false;
  ERR_clear_error();
  return true;
}

static bool use_certificates(SSL_CTX *context, const char *source) {
  pass_phrase none = {0};
  BIO *pem = hf_tls_pem_open(source);
  X509 *first = pem ? PEM_read_bio_X509_AUX(pem, NULL, give_phrase, &none) : NULL;
  bool fine = first && SSL_CTX_use_certificate(context, first) == 1 && use_others(context, pem);
  X509_free(first);
  BIO_free(pem);
  return fine;
}

bool hf_tls_load_own(SSL_CTX *context, const hf_tls_options *tls, hf_tls_finding *finding) {
  pass_phrase phrase = {.text = tls->key_password};
  ERR_clear_error();
  if (!use_certificates(context, tls->cert)) return hf_tls_unreadable(finding, "tls.cert", tls->cert, "certificate");
  return load_key(context, tls, &phrase, finding);
}

bool hf_tls_load_files(SSL_CTX *context, const hf_tls_options *tls, hf_tls_finding *finding) {
  struct stat about;
  ERR_clear_error();
  SSL_CTX_set_security_level(context, 1);
  if (tls->psk_identity) return true; /* no certificate is to be trusted */
  if (tls->cert && !hf_tls_load_own(context, tls, finding)) return false;
  if (!tls->ca) SSL_CTX_set_default_verify_paths(context); /* the system's are looked for when one is wanted */
  if (!tls->ca) return true;
  bool folder = stat(tls->ca, &about) == 0 && S_ISDIR(about.st_mode);
  return SSL_CTX_load_verify_locations(context, folder ? NULL : tls->ca, folder ? tls->ca : NULL) == 1 ||
         hf_tls_unreadable(finding, "tls.ca", tls->ca, "certificate");
}
