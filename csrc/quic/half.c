#define _GNU_SOURCE
#include "quic/half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quic/verify.h"

enum { LONGEST = 31 /* bytes of a name of ALPN that GnuTLS takes */ };

/* What RFC 9001 section 4.2 and 5.3 leave of TLS: version 1.3, and no CCM of 8 bytes. */
static const char PRIORITY[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"
                               "+CHACHA20-POLY1305:%DISABLE_TLS13_COMPAT_MODE";

static bool fail(hf_tls_problem *problem, hf_source source, int code, const char *about, const char *why) {
  problem->reason = hf_reason_find(source, code);
  snprintf(problem->text, sizeof problem->text, "%s%s%s", about, *about ? ": " : "", why);
  return false;
}

static bool starve(hf_tls_problem *problem) {
  return fail(problem, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "", "");
}

static bool is_file(const char *given) {
  return !strstr(given, "-----BEGIN ");
}

/* A file, or PEM itself. The memory is malloc's. */
static bool read_pem(const char *given, gnutls_datum_t *pem, hf_tls_problem *problem) {
  if (is_file(given)) {
    int error = gnutls_load_file(given, pem);
    return error == 0 || fail(problem, HF_SOURCE_TLS, HF_TLS_FILE, given, gnutls_strerror(error));
  }
  pem->data = (unsigned char *)strdup(given);
  pem->size = pem->data ? (unsigned)strlen(given) : 0;
  return pem->data || starve(problem);
}

static void wipe(gnutls_datum_t *pem) {
  if (pem->data) explicit_bzero(pem->data, pem->size);
  gnutls_free(pem->data);
}

/* OpenSSL has read both before, and found that they belong together (stream/tls_files.h). */
static bool take_own(hf_quic_half *half, const hf_tls_options *options, hf_tls_problem *problem) {
  gnutls_datum_t certificate = {NULL, 0}, key = {NULL, 0};
  const char *in = options->key ? options->key : options->cert;
  bool fine = read_pem(options->cert, &certificate, problem) && read_pem(in, &key, problem);
  int error = fine ? gnutls_certificate_set_x509_key_mem2(half->own, &certificate, &key, GNUTLS_X509_FMT_PEM,
                                                          options->key_password, 0)
                   : 0;
  if (fine && error < 0)
    fine = fail(problem, HF_SOURCE_TLS, HF_TLS_FILE, is_file(in) ? in : "tls.key", gnutls_strerror(error));
  wipe(&certificate);
  wipe(&key);
  half->has_own = true;
  return fine;
}

static bool take_names(hf_quic_half *half, const hf_tls_options *options, hf_tls_problem *problem) {
  static const char *const usual[] = {"mqtt", NULL};
  for (const char *const *name = options->alpn && options->alpn[0] ? options->alpn : usual; *name; name++) {
    if (half->name_count == HF_QUIC_NAMES)
      return fail(problem, HF_SOURCE_TLS, HF_TLS_FAILED, "tls.alpn", "QUIC takes no more than eight names");
    if (strlen(*name) > LONGEST)
      return fail(problem, HF_SOURCE_TLS, HF_TLS_FAILED, "tls.alpn", "QUIC takes no name of more than 31 bytes");
    gnutls_datum_t *to = &half->names[half->name_count++];
    to->size = (unsigned)strlen(*name);
    to->data = (unsigned char *)strdup(*name);
    if (!to->data) return starve(problem);
  }
  return true;
}

/* The schema says so of options; an address that comes later (`server` as a function, `redirect`) is told here. */
static bool is_possible(const hf_tls_options *options, hf_tls_problem *problem) {
  const char *wrong = NULL;
  if (options->psk_identity) wrong = "tls.psk_key";
  if (options->ocsp) wrong = "tls.ocsp";
  if (options->key && strncasecmp(options->key, "pkcs11:", 7) == 0) wrong = "tls.key of a token";
  return !wrong || fail(problem, HF_SOURCE_TLS, HF_TLS_FAILED, wrong, "not over QUIC");
}

hf_quic_half *hf_quic_half_prepare(const hf_tls_options *options, hf_tls_problem *problem) {
  hf_quic_half *half = calloc(1, sizeof *half);
  if (half) hf_quic_tickets_init(&half->tickets);
  bool fine = half ? is_possible(options, problem) : starve(problem);
  if (fine && (gnutls_certificate_allocate_credentials(&half->own) < 0 ||
               gnutls_priority_init(&half->priority, PRIORITY, NULL) < 0))
    fine = starve(problem);
  fine = fine && take_names(half, options, problem);
  if (fine && options->cert) fine = take_own(half, options, problem);
  if (fine) {
    gnutls_certificate_set_verify_function(half->own, hf_quic_verify);
    return half;
  }
  hf_quic_half_release(half);
  return NULL;
}

void hf_quic_half_release(hf_quic_half *half) {
  if (!half) return;
  for (unsigned i = 0; i < half->name_count; i++)
    free(half->names[i].data);
  if (half->priority) gnutls_priority_deinit(half->priority);
  if (half->own) gnutls_certificate_free_credentials(half->own);
  hf_quic_tickets_clear(&half->tickets);
  free(half);
}
