#include "store/sqlite.h"

#include "sys/library.h"

hf_sqlite hf_sqlite_calls;

#define NAME(name) #name,
static const char *const names[] = {HF_SQLITE_CALLS(NAME)};

_Static_assert(sizeof(hf_sqlite) == sizeof names, "a name a slot");

bool hf_sqlite_load(char *problem) {
  static hf_library library = {
      .file = "libsqlite3.so.0", .names = names, .slots = &hf_sqlite_calls, .count = sizeof names / sizeof names[0]};
  return hf_library_load(&library, problem);
}
