#define _GNU_SOURCE
#include "stream/tls_context.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/index.h"
#include "stream/openssl.h"
#include "stream/quic.h"
#include "stream/tls_files.h"
#include "stream/tls_judge.h"
#include "stream/tls_ocsp.h"
#include "stream/tls_pem.h"
#include "stream/tls_pins.h"
#include "stream/tls_stamp.h"
#include "stream/tls_tickets.h"
#include "stream/tls_trust.h"
#include "sys/clock.h"
#include "sys/library.h"

enum {
  IDENTITY = 32,
  IDLE = 8, /* contexts that nobody holds are kept, if there is no secret in them, for who comes back without having
             * held his */
};

struct hf_tls_context {
  hf_index_link link;   /* while it is in the index */
  hf_tls_context *next; /* of the idle ones, the one that was held last comes first */
  SSL_CTX *ssl;
  hf_tls_trust *trust; /* NULL with a PSK */
  hf_tls_stamps stamps;
  hf_tls_tickets tickets;
  _Atomic(hf_quic_half *) half; /* NULL: nobody has gone by QUIC yet */
  char *psk_identity;
  unsigned char *psk_key;
  char **pins; /* NULL-ended; NULL: any key will do */
  size_t psk_length, references;
  hf_tls_ocsp ocsp;
  bool verifies, listed, has_secret;
  unsigned char identity[IDENTITY], likeness[IDENTITY];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static hf_index index_of_all;
static hf_tls_context *idle;

static void prepare(void) {
  hf_index_init(&index_of_all);
}

/* ---- who is who ---- */

static bool digest_bytes(EVP_MD_CTX *digest, const void *bytes, size_t length) {
  uint64_t size = bytes ? (uint64_t)length + 1 : 0; /* nothing is not the same as an empty text */
  return EVP_DigestUpdate(digest, &size, sizeof size) && (!bytes || EVP_DigestUpdate(digest, bytes, length));
}

static bool digest_text(EVP_MD_CTX *digest, const char *text) {
  return digest_bytes(digest, text, text ? strlen(text) : 0);
}

/* Of all that a server, or a check of it, could tell two clients apart by; a secret leaves no trace but in it, and none
 * in a likeness. */
static bool identify(const hf_tls_options *options, bool secrets, unsigned char *identity) {
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  bool fine = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) && digest_text(digest, options->ca) &&
              digest_text(digest, options->cert) && digest_text(digest, secrets ? options->key : NULL) &&
              digest_text(digest, secrets ? options->key_password : NULL) && digest_text(digest, options->crl) &&
              digest_bytes(digest, &options->ocsp, sizeof options->ocsp) &&
              digest_text(digest, options->psk_identity) &&
              digest_bytes(digest, secrets ? options->psk_key.data : NULL, options->psk_key.length) &&
              digest_bytes(digest, &options->verify, sizeof options->verify);
  const char *const *const lists[] = {options->alpn, options->pins};
  for (size_t i = 0; fine && i < sizeof lists / sizeof lists[0]; i++) {
    for (const char *const *name = lists[i]; fine && name && *name; name++)
      fine = digest_text(digest, *name);
    fine = fine && digest_text(digest, NULL);
  }
  fine = fine && EVP_DigestFinal_ex(digest, identity, NULL);
  EVP_MD_CTX_free(digest);
  return fine;
}

bool hf_tls_context_fingerprint(const hf_tls_context *context, const char *host, uint16_t port,
                                unsigned char fingerprint[HF_TLS_FINGERPRINT]) {
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  bool fine = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) &&
              digest_bytes(digest, context->likeness, IDENTITY) && digest_text(digest, host) &&
              digest_bytes(digest, &port, sizeof port);
  for (size_t i = 0; fine && i < context->stamps.count; i++) {
    const struct stat *about = hf_tls_stamps_at(&context->stamps, i);
    const int64_t file[] = {(int64_t)about->st_dev, (int64_t)about->st_ino, about->st_size, about->st_mtim.tv_sec,
                            about->st_mtim.tv_nsec};
    fine = digest_bytes(digest, file, sizeof file);
  }
  fine = fine && EVP_DigestFinal_ex(digest, fingerprint, NULL);
  EVP_MD_CTX_free(digest);
  return fine;
}

static uint32_t key_of(const unsigned char *identity) {
  uint32_t key;
  memcpy(&key, identity, sizeof key);
  return key;
}

static int take_session(SSL *ssl, SSL_SESSION *session);
static int judge_status(SSL *ssl, void *nothing);

/* ---- making ---- */

static unsigned give_shared_key(SSL *ssl, const char *hint, char *identity, unsigned most_identity, unsigned char *key,
                                unsigned most_key) {
  (void)hint;
  const hf_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  if (strlen(context->psk_identity) >= most_identity || context->psk_length > most_key) return 0;
  strcpy(identity, context->psk_identity);
  memcpy(key, context->psk_key, context->psk_length);
  return (unsigned)context->psk_length;
}

static bool take_shared_key(hf_tls_context *context, const hf_tls_options *options) {
  context->psk_identity = strdup(options->psk_identity);
  context->psk_key = malloc(options->psk_key.length + 1);
  if (!context->psk_identity || !context->psk_key) return false;
  memcpy(context->psk_key, options->psk_key.data, options->psk_key.length);
  context->psk_length = options->psk_key.length;
  SSL_CTX_set_psk_client_callback(context->ssl, give_shared_key);
  return true;
}

static bool offer_names(SSL_CTX *ssl, const char *const *names) {
  size_t room = 0, length = 0;
  for (const char *const *name = names; name && *name; name++)
    room += strlen(*name) + 1;
  if (room == 0) return true;
  unsigned char *list = malloc(room);
  if (!list) return false;
  for (const char *const *name = names; *name; name++) {
    size_t one = strlen(*name);
    list[length++] = (unsigned char)one;
    memcpy(list + length, *name, one);
    length += one;
  }
  bool fine = SSL_CTX_set_alpn_protos(ssl, list, (unsigned)length) == 0;
  free(list);
  return fine;
}

static bool take_pins(hf_tls_context *context, const char *const *pins) {
  size_t count = 0;
  while (pins && pins[count])
    count++;
  if (count == 0) return true;
  context->pins = calloc(count + 1, sizeof *context->pins);
  for (size_t i = 0; context->pins && i < count; i++)
    if (!(context->pins[i] = strdup(pins[i]))) return false;
  return context->pins != NULL;
}

static bool load(hf_tls_context *context, const hf_tls_options *options, hf_tls_finding *finding) {
  if (options->psk_identity) return take_shared_key(context, options); /* no certificate is to be trusted */
  const char *own[] = {options->cert, options->cert ? options->key : NULL};
  for (size_t i = 0; i < 2; i++)
    if (own[i] && hf_tls_pem_is_file(own[i]) && !hf_tls_stamps_add(&context->stamps, own[i])) return false;
  if (!take_pins(context, options->pins)) return false;
  if (options->cert && !hf_tls_load_own(context->ssl, options, finding)) return false;
  context->trust = hf_tls_trust_get(options->ca, options->crl, finding);
  if (!context->trust) return false;
  if (options->crl)
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context->ssl), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  if (options->ocsp) {
    SSL_CTX_set_tlsext_status_type(context->ssl, TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_tlsext_status_cb(context->ssl, judge_status);
  }
  SSL_CTX_set1_cert_store(context->ssl, hf_tls_trust_store(context->trust));
  return true;
}

/* Bytes that the system has not taken yet are the stream's, not OpenSSL's, so what the two modes of writing allow is
 * not made use of; buffers that are empty are given back. */
static bool furnish(hf_tls_context *context, const hf_tls_options *options, hf_tls_finding *finding) {
  SSL_CTX *ssl = context->ssl;
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ssl, 1);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ssl, take_session);
  return SSL_CTX_set_app_data(ssl, context) == 1 && SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(ssl, options->psk_identity ? HF_TLS_PSK_CIPHERS : HF_TLS_CIPHERS) == 1 &&
         offer_names(ssl, options->alpn) && load(context, options, finding);
}

static void destroy(hf_tls_context *context) {
  SSL_CTX_free(context->ssl);
  hf_tls_trust_drop(context->trust);
  hf_tls_stamps_free(&context->stamps);
  hf_tls_tickets_free(&context->tickets);
  hf_quic_release(atomic_load(&context->half));
  if (context->psk_key) OPENSSL_cleanse(context->psk_key, context->psk_length);
  free(context->psk_key);
  if (context->psk_identity) OPENSSL_cleanse(context->psk_identity, strlen(context->psk_identity));
  free(context->psk_identity);
  for (char **pin = context->pins; pin && *pin; pin++)
    free(*pin);
  free(context->pins);
  free(context);
}

static hf_tls_context *make(const hf_tls_options *options, const unsigned char *identity, hf_tls_finding *finding) {
  hf_tls_context *context = calloc(1, sizeof *context);
  if (!context) return NULL;
  ERR_clear_error();
  memcpy(context->identity, identity, IDENTITY);
  context->references = 1;
  context->verifies = options->verify;
  context->ocsp = options->ocsp;
  context->has_secret = options->cert || options->psk_identity;
  context->ssl = SSL_CTX_new(TLS_client_method());
  bool fine = context->ssl && identify(options, false, context->likeness) && furnish(context, options, finding);
  ERR_clear_error();
  if (fine) return context;
  destroy(context);
  return NULL;
}

/* ---- sharing ---- */

static void leave_idle(hf_tls_context *context) {
  for (hf_tls_context **at = &idle; *at; at = &(*at)->next)
    if (*at == context) {
      *at = context->next;
      return;
    }
}

/* No one finds it any more. What nobody holds is freed, and the caller does that when the lock is open again. */
static hf_tls_context *unlist(hf_tls_context *context) {
  if (context->listed) hf_index_remove(&index_of_all, &context->link);
  context->listed = false;
  if (context->references > 0) return NULL;
  leave_idle(context);
  context->next = NULL;
  return context;
}

static hf_tls_context *hold(hf_tls_context *context) {
  if (context->references++ == 0) leave_idle(context);
  return context;
}

static hf_tls_context *look_up(const unsigned char *identity) {
  hf_index_link *at = hf_index_find(&index_of_all, key_of(identity));
  for (; at; at = hf_index_again(at)) {
    hf_tls_context *context = (hf_tls_context *)((char *)at - offsetof(hf_tls_context, link));
    if (memcmp(context->identity, identity, IDENTITY) == 0) return context;
  }
  return NULL;
}

/* One whose files have changed is found no more, and its tickets go with it. */
static hf_tls_context *find(const unsigned char *identity, int64_t age) {
  int64_t now = hf_clock_ms();
  hf_tls_context *gone = NULL;
  pthread_mutex_lock(&lock);
  hf_tls_context *found = look_up(identity);
  if (found && !(hf_tls_stamps_hold(&found->stamps, now, age) &&
                 (!found->trust || hf_tls_trust_holds(found->trust, now, age)))) {
    gone = unlist(found);
    found = NULL;
  }
  if (found) hold(found);
  pthread_mutex_unlock(&lock);
  if (gone) destroy(gone);
  return found;
}

static void list(hf_tls_context *context) {
  pthread_mutex_lock(&lock);
  hf_tls_context *other = look_up(context->identity), *gone = other ? unlist(other) : NULL;
  context->listed = true;
  hf_index_put(&index_of_all, &context->link, key_of(context->identity));
  pthread_mutex_unlock(&lock);
  if (gone) destroy(gone);
}

hf_tls_context *hf_tls_context_get(const hf_tls_options *options, hf_tls_problem *problem) {
  unsigned char identity[IDENTITY];
  hf_tls_finding finding = {0};
  char missing[HF_LIBRARY_PROBLEM];
  if (!hf_tls_load(missing)) {
    problem->reason = hf_reason_find(HF_SOURCE_TLS, HF_TLS_FILE);
    snprintf(problem->text, sizeof problem->text, "%s", missing);
    return NULL;
  }
  pthread_once(&once, prepare);
  hf_tls_context *context = NULL;
  if (identify(options, true, identity)) {
    context = find(identity, 0);
    if (context) return context;
    context = make(options, identity, &finding);
  }
  if (context) {
    list(context);
    return context;
  }
  problem->reason = finding.code ? hf_reason_find(HF_SOURCE_TLS, finding.code)
                                 : hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY);
  snprintf(problem->text, sizeof problem->text, "%.*s", (int)sizeof problem->text - 1, finding.text);
  return NULL;
}

hf_tls_context *hf_tls_context_find(const hf_tls_options *options) {
  unsigned char identity[IDENTITY];
  if (!hf_tls_is_there()) return NULL;
  pthread_once(&once, prepare);
  return identify(options, true, identity) ? find(identity, HF_TLS_LOOK) : NULL;
}

hf_tls_context *hf_tls_context_hold(hf_tls_context *context) {
  pthread_mutex_lock(&lock);
  hold(context);
  pthread_mutex_unlock(&lock);
  return context;
}

void hf_tls_context_drop(hf_tls_context *context) {
  hf_tls_context *gone = NULL;
  pthread_mutex_lock(&lock);
  if (--context->references == 0) {
    size_t count = 0;
    hf_tls_context *oldest = context;
    context->next = idle;
    idle = context;
    for (hf_tls_context *at = idle; at; at = at->next, count++)
      oldest = at;
    if (!context->listed || context->has_secret)
      gone = unlist(context);
    else if (count > IDLE)
      gone = unlist(oldest);
  }
  pthread_mutex_unlock(&lock);
  if (gone) destroy(gone);
}

/* ---- for streams ---- */

bool hf_tls_context_verifies(const hf_tls_context *context) {
  return context->verifies;
}

bool hf_tls_context_has_psk(const hf_tls_context *context) {
  return context->psk_identity != NULL;
}

bool hf_tls_context_has_pinned(const hf_tls_context *context, SSL *ssl) {
  if (!context->pins || (context->verifies && SSL_session_reused(ssl))) return true;
  return hf_tls_pins_hold((const char *const *)context->pins, ssl, context->verifies);
}

hf_quic_half *hf_tls_context_half(hf_tls_context *context) {
  return atomic_load(&context->half);
}

hf_quic_half *hf_tls_context_keep_half(hf_tls_context *context, hf_quic_half *half) {
  hf_quic_half *before = NULL;
  return atomic_compare_exchange_strong(&context->half, &before, half) ? NULL : half;
}

static bool is_address(const char *host) {
  unsigned char address[16];
  return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

bool hf_tls_context_judge(hf_tls_context *context, const hf_bytes *chain, size_t count, const char *host,
                          hf_tls_problem *problem) {
  const hf_tls_expectation expected = {.store = context->trust ? hf_tls_trust_store(context->trust) : NULL,
                                       .more = SSL_CTX_get0_param(context->ssl),
                                       .host = host,
                                       .pins = (const char *const *)context->pins,
                                       .is_address = is_address(host),
                                       .verifies = context->verifies};
  hf_tls_finding finding;
  if (hf_tls_judge(&expected, chain, count, &finding)) return true;
  problem->reason = finding.code ? hf_reason_find(HF_SOURCE_TLS, finding.code)
                                 : hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY);
  snprintf(problem->text, sizeof problem->text, "%.*s", (int)sizeof problem->text - 1, finding.text);
  return false;
}

bool hf_tls_use_init(hf_tls_use *use, hf_tls_context *context, const char *host, uint16_t port,
                     hf_tls_finding *finding) {
  *use = (hf_tls_use){.port = port, .finding = finding};
  use->host = strdup(host);
  if (!use->host) return false;
  size_t length = strlen(host);
  if (strchr(host, ':'))
    use->host[strcspn(host, "%")] = '\0';
  else if (length > 1 && host[length - 1] == '.')
    use->host[length - 1] = '\0';
  use->is_address = is_address(use->host);
  use->context = hf_tls_context_hold(context);
  return true;
}

void hf_tls_use_free(hf_tls_use *use) {
  if (use->context) hf_tls_context_drop(use->context);
  free(use->host);
}

SSL *hf_tls_use_begin(hf_tls_use *use) {
  hf_tls_context *context = use->context;
  SSL *ssl = SSL_new(context->ssl);
  if (!ssl || SSL_set_app_data(ssl, use) != 1) {
    SSL_free(ssl);
    return NULL;
  }
  pthread_mutex_lock(&lock);
  SSL_SESSION *session = hf_tls_tickets_take(&context->tickets, use->host, use->port, hf_clock_ms());
  pthread_mutex_unlock(&lock);
  if (session) SSL_set_session(ssl, session);
  SSL_SESSION_free(session);
  return ssl;
}

static int judge_status(SSL *ssl, void *nothing) {
  (void)nothing;
  const hf_tls_use *use = SSL_get_app_data(ssl);
  return hf_tls_ocsp_holds(ssl, use->context->ocsp == HF_TLS_OCSP_REQUIRE, use->finding);
}

/* None where each handshake is to have an OCSP response: one that takes a session up has none. */
static void keep(const hf_tls_use *use, SSL_SESSION *session) {
  hf_tls_context *context = use->context;
  if (context->ocsp) return;
  int64_t end = context->trust ? hf_tls_trust_end(context->trust) : INT64_MAX;
  pthread_mutex_lock(&lock);
  hf_tls_tickets_put(&context->tickets, use->host, use->port, session, hf_clock_ms(), end);
  pthread_mutex_unlock(&lock);
}

static int take_session(SSL *ssl, SSL_SESSION *session) {
  hf_tls_use *use = SSL_get_app_data(ssl);
  if (use->trusted)
    keep(use, session);
  else
    use->waiting = true;
  return 0; /* it stays OpenSSL's */
}

void hf_tls_use_trust(hf_tls_use *use, SSL *ssl) {
  use->trusted = true;
  if (use->waiting) keep(use, SSL_get_session(ssl));
  use->waiting = false;
}

void hf_tls_use_distrust(hf_tls_use *use) {
  pthread_mutex_lock(&lock);
  hf_tls_tickets_forget(&use->context->tickets, use->host, use->port);
  pthread_mutex_unlock(&lock);
}
