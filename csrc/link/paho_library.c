#include "link/paho_library.h"

#include "stream/tls.h"
#include "sys/library.h"

hf_paho hf_paho_calls;

#define NAME(name) #name,
static const char *const names[] = {HF_PAHO_CALLS(NAME)};

_Static_assert(sizeof(hf_paho) == sizeof names, "a name a slot");

static hf_library library = {
    .file = "libpaho-mqtt3as.so.1", .names = names, .slots = &hf_paho_calls, .count = sizeof names / sizeof names[0]};

bool hf_paho_load(char *problem) {
  return hf_tls_load(problem) && hf_library_load(&library, problem);
}

bool hf_paho_is_there(void) {
  return atomic_load_explicit(&library.is_there, memory_order_acquire);
}
