#define _GNU_SOURCE
#include "stream/tls_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "stream/openssl.h"

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

/* One line, without what could upset a terminal: a path is any bytes. */
static bool blame(hf_tls_finding *finding, const char *option, const char *path, const char *words) {
  size_t length = strlen(path);
  bool cut = length > SHOWN;
  finding->code = HF_TLS_FILE;
  snprintf(finding->text, sizeof finding->text, "%s %s%s: %s", option, cut ? "..." : "",
           cut ? path + length - SHOWN : path, words);
  for (char *at = finding->text; *at; at++)
    if ((unsigned char)*at < ' ' || *at == 0x7F) *at = ' ';
  return false;
}

bool hf_tls_is_short(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
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
  const char *reason = error ? ERR_reason_error_string(error) : "there is none";
  snprintf(words, sizeof words, "no %s can be read from it (%s)", what, reason ? reason : "unknown error");
  return blame(finding, option, path, words);
}

static bool load_key(SSL_CTX *context, const hf_tls_options *tls, const pass_phrase *phrase, hf_tls_finding *finding) {
  const char *path = tls->key ? tls->key : tls->cert;
  const char *option = tls->key ? "tls.key" : "tls.key (the same as tls.cert)";
  static const char *const other = "not the key of the certificate in tls.cert";
  if (SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1) /* one of another kind is taken beside it */
    return SSL_CTX_check_private_key(context) == 1 || blame(finding, option, path, other);
  unsigned long error = ERR_peek_error();
  if (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH)
    return blame(finding, option, path, other);
  if (phrase->asked)
    return blame(finding, option, path,
                 phrase->text ? "tls.key_password is not its pass phrase" : "it wants a tls.key_password");
  return hf_tls_unreadable(finding, option, path, "private key");
}

bool hf_tls_load_own(SSL_CTX *context, const hf_tls_options *tls, hf_tls_finding *finding) {
  pass_phrase phrase = {.text = tls->key_password};
  SSL_CTX_set_default_passwd_cb(context, give_phrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &phrase);
  bool fine = SSL_CTX_use_certificate_chain_file(context, tls->cert) == 1
                  ? load_key(context, tls, &phrase, finding)
                  : hf_tls_unreadable(finding, "tls.cert", tls->cert, "certificate");
  SSL_CTX_set_default_passwd_cb(context, NULL);
  SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
  return fine;
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
