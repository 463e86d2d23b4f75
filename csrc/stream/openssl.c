#include "stream/openssl.h"

#include "stream/tls.h"
#include "sys/library.h"

hf_openssl hf_openssl_calls;

#define NAME(name) #name,
static const char *const names[] = {HF_OPENSSL_CALLS(NAME)};

_Static_assert(sizeof(hf_openssl) == sizeof names, "a name a slot");

#define TEXT(number) #number
#define FILE_OF(number) "libssl.so." TEXT(number)

/* OpenSSL frees its own memory at exit(3), under the feet of Paho's threads and of a look: one in the middle of a
 * handshake, on a machine too busy to finish it in time, took the process down with SIGSEGV. So it is told to leave
 * that to the system. If the host has used it before, that comes too late; then our threads at least end before OpenSSL
 * does (hf_library_at_exit). */
static void prepare(bool is_new) {
  (void)is_new;
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

static hf_library library = {.file = FILE_OF(OPENSSL_SHLIB_VERSION),
                             .names = names,
                             .slots = &hf_openssl_calls,
                             .count = sizeof names / sizeof names[0],
                             .loaded = prepare};

bool hf_openssl_load(char *problem) {
  return hf_library_load(&library, problem);
}

bool hf_tls_load(char *problem) {
  if (!hf_openssl_load(problem)) return false;
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL); /* once, by itself */
  return true;
}

bool hf_tls_is_there(void) {
  return atomic_load_explicit(&library.is_there, memory_order_acquire);
}
