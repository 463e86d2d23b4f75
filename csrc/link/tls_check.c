#define _GNU_SOURCE
#include "link/tls_check.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/openssl.h"
#include "stream/tls_files.h"
#include "sys/clock.h"

enum { LAST_WORD = 1000 /* ms for an alert about our certificate, which comes after the handshake in TLS 1.3 */ };

typedef struct check {
  const hf_link_tls *tls;
  const char *host;
  hf_tls_finding *finding;
  SSL *ssl;
  int64_t deadline;
  int socket, stop;
  bool asked; /* for a certificate that we do not have */
} check;

/* ---- the way there ---- */

/* Paho takes the first IPv4 address, and the last one if there is none. */
static const struct addrinfo *choose(const struct addrinfo *found) {
  while (found->ai_family != AF_INET && found->ai_next)
    found = found->ai_next;
  return found;
}

static bool await(const check *c, short events) {
  int64_t left = c->deadline - hf_clock_ms();
  struct pollfd watched[] = {{.fd = c->socket, .events = events}, {.fd = c->stop, .events = POLLIN}};
  return left > 0 && poll(watched, 2, (int)left) > 0 && !watched[1].revents;
}

static bool reach(check *c, const struct addrinfo *address) {
  c->socket = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (c->socket < 0) return false;
  if (connect(c->socket, address->ai_addr, address->ai_addrlen) == 0) return true;
  int error = 0;
  socklen_t length = sizeof error;
  return errno == EINPROGRESS && await(c, POLLOUT) &&
         getsockopt(c->socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

/* ---- the same options that Paho is given ---- */

static check *check_of(SSL *ssl) {
  return SSL_get_app_data(ssl);
}

static unsigned shared_key(SSL *ssl, const char *hint, char *identity, unsigned most_identity, unsigned char *key,
                           unsigned most_key) {
  (void)hint;
  const hf_link_tls *tls = check_of(ssl)->tls;
  if (strlen(tls->psk_identity) > most_identity || tls->psk_key.length > most_key) return 0;
  strcpy(identity, tls->psk_identity);
  memcpy(key, tls->psk_key.data, tls->psk_key.length);
  return (unsigned)tls->psk_key.length;
}

static int lack_certificate(SSL *ssl, X509 **certificate, EVP_PKEY **key) {
  (void)certificate, (void)key;
  check_of(ssl)->asked = true;
  return 0;
}

static bool offer_names(SSL *ssl, const char *const *names) {
  unsigned char list[1024];
  size_t length = 0;
  for (; names && *names; names++) {
    size_t one = strlen(*names);
    if (length + 1 + one > sizeof list) return true; /* Paho's connection has offered them all; this is a look */
    list[length++] = (unsigned char)one;
    memcpy(list + length, *names, one);
    length += one;
  }
  return length == 0 || SSL_set_alpn_protos(ssl, list, (unsigned)length) == 0;
}

/* ---- what is wrong ---- */

/* The first complaint is the one that counts. */
static int judge(int fine, X509_STORE_CTX *store) {
  check *c = check_of(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (fine || c->finding->code) return fine;
  if (c->tls->psk_identity)
    hf_tls_find(c->finding, HF_TLS_HANDSHAKE, "the server shows a certificate and does not use the shared key");
  else
    hf_tls_find_verdict(c->finding, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store));
  return 0;
}

static void explain(check *c, int how) {
  if (c->finding->code) return;
  unsigned long error = ERR_peek_error();
  if (how == SSL_ERROR_SSL && error)
    hf_tls_find_error(c->finding, error, c->asked, c->tls->psk_identity != NULL);
  else
    hf_tls_find(c->finding, HF_TLS_HANDSHAKE, "the server closed the connection during the TLS handshake");
}

/* What SSL_connect or SSL_read wants next; false when it is over, one way or the other, and `how` says which. */
static bool goes_on(const check *c, int result, int *how) {
  *how = SSL_get_error(c->ssl, result);
  if (*how == SSL_ERROR_WANT_READ) return await(c, POLLIN);
  if (*how == SSL_ERROR_WANT_WRITE) return await(c, POLLOUT);
  return false;
}

static bool is_waiting(int how) {
  return how == SSL_ERROR_WANT_READ || how == SSL_ERROR_WANT_WRITE;
}

static void look_at_name(check *c) {
  X509 *certificate = SSL_get_peer_certificate(c->ssl);
  if (!certificate) return;
  if (!hf_tls_is_for(certificate, c->host)) hf_tls_find_other_host(c->finding, certificate, c->host);
  X509_free(certificate);
}

static void hear_last_word(check *c) {
  int64_t until = hf_clock_ms() + LAST_WORD;
  if (until < c->deadline) c->deadline = until;
  char byte;
  int result, how;
  do {
    ERR_clear_error();
    result = SSL_read(c->ssl, &byte, 1);
  } while (result <= 0 && goes_on(c, result, &how));
  if (result <= 0 && how == SSL_ERROR_SSL) explain(c, how);
}

static void shake_hands(check *c) {
  int result, how;
  do {
    ERR_clear_error();
    result = SSL_connect(c->ssl);
  } while (result != 1 && goes_on(c, result, &how));
  if (result != 1) {
    if (!is_waiting(how)) explain(c, how);
    return;
  }
  if (c->tls->verify && !c->tls->psk_identity) look_at_name(c);
  if (!c->finding->code && (c->asked || c->tls->cert)) hear_last_word(c);
  if (!c->finding->code) SSL_shutdown(c->ssl);
}

static void speak_tls(check *c) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (!context) return;
  bool psk = c->tls->psk_identity != NULL;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_client_cert_cb(context, lack_certificate);
  if (psk) SSL_CTX_set_psk_client_callback(context, shared_key);
  SSL_CTX_set_verify(context, c->tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, c->tls->verify ? judge : NULL);
  bool loaded = hf_tls_load_files(context, c->tls, c->finding);
  SSL_CTX_set_cipher_list(context, psk ? HF_TLS_PSK_CIPHERS : HF_TLS_CIPHERS);
  if (loaded && (c->ssl = SSL_new(context))) {
    if (SSL_set_app_data(c->ssl, c) == 1 && SSL_set_fd(c->ssl, c->socket) == 1 &&
        SSL_set_tlsext_host_name(c->ssl, c->host) == 1 && offer_names(c->ssl, c->tls->alpn))
      shake_hands(c);
    SSL_free(c->ssl);
  }
  SSL_CTX_free(context);
  ERR_clear_error();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool modern;

static void look_at_configuration(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  long most = context ? SSL_CTX_get_max_proto_version(context) : 0; /* 0: whatever there is */
  modern = most == 0 || most >= TLS1_3_VERSION;
  SSL_CTX_free(context);
}

bool hf_tls_is_modern(void) {
  pthread_once(&once, look_at_configuration);
  return modern;
}

void hf_tls_check_files(const hf_link_tls *tls, hf_tls_finding *finding) {
  *finding = (hf_tls_finding){0};
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context) hf_tls_load_files(context, tls, finding);
  SSL_CTX_free(context);
  ERR_clear_error();
}

bool hf_tls_check_own(const hf_link_tls *tls, hf_tls_finding *finding) {
  *finding = (hf_tls_finding){0};
  if (!tls->cert || tls->psk_identity) return true;
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context) SSL_CTX_set_security_level(context, 1); /* as Paho */
  bool fine = context && hf_tls_load_own(context, tls, finding);
  SSL_CTX_free(context);
  ERR_clear_error();
  return fine;
}

void hf_tls_check(const char *host, uint16_t port, const hf_link_tls *tls, int64_t deadline, int stop,
                  hf_tls_finding *finding) {
  check c = {.tls = tls, .host = host, .finding = finding, .deadline = deadline, .socket = -1, .stop = stop};
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  char service[8];
  *finding = (hf_tls_finding){0};
  snprintf(service, sizeof service, "%u", (unsigned)port);
  if (getaddrinfo(host, service, &hints, &found) != 0) return;
  if (reach(&c, choose(found))) speak_tls(&c);
  if (c.socket >= 0) close(c.socket);
  freeaddrinfo(found);
}
