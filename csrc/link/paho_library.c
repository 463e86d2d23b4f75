#include "link/paho_library.h"

#include "stream/openssl.h"
#include "sys/library.h"

hf_paho hf_paho_calls;

#define NAME(name) #name,
static const char *const names[] = {HF_PAHO_CALLS(NAME)};

_Static_assert(sizeof(hf_paho) == sizeof names, "a name a slot");

/* With its first client Paho gets all of OpenSSL ready, TLS or not, which is a third of what a script costs that
 * publishes once. It can be told not to; but being told, it makes its locks anew, so not where somebody else of the
 * process may hold them. */
static void prepare(bool is_new) {
  MQTTAsync_init_options options = MQTTAsync_init_options_initializer; /* do_openssl_init = 0 */
  if (is_new) MQTTAsync_global_init(&options);
}

static hf_library library = {.file = "libpaho-mqtt3as.so.1",
                             .names = names,
                             .slots = &hf_paho_calls,
                             .count = sizeof names / sizeof names[0],
                             .loaded = prepare};

bool hf_paho_load(char *problem) {
  return hf_openssl_load(problem) && hf_library_load(&library, problem);
}

bool hf_paho_is_there(void) {
  return atomic_load_explicit(&library.is_there, memory_order_acquire);
}
