#define _DEFAULT_SOURCE
#include "stream/saslprep.h"

#include <stdlib.h>
#include <string.h>

#include "core/topic.h"
#include "sys/library.h"

/* As stringprep.h has them, which is not wanted for a build. */
enum { FINE = 0, UNASSIGNED = 1, PROHIBITED = 2, BIDI_FIRST = 3, BIDI_LAST = 5, WITHOUT_UNASSIGNED = 4 };

static struct {
  int (*prepare)(const char *text, char **prepared, const char *profile, int flags);
  void (*give_back)(void *block);
} idn;

static const char *const names[] = {"stringprep_profile", "idn_free"};

_Static_assert(sizeof idn == sizeof names, "a name a slot");

static hf_library library = {.file = "libidn.so.12", .names = names, .slots = &idn, .count = 2};

bool hf_saslprep_load(char *problem) {
  return hf_library_load(&library, problem);
}

bool hf_saslprep_needs_library(hf_bytes text) {
  for (size_t i = 0; i < text.length; i++)
    if ((unsigned char)text.data[i] >= 0x80) return true;
  return false;
}

static bool has_controls(hf_bytes text) {
  for (size_t i = 0; i < text.length; i++)
    if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7F) return true;
  return false;
}

static const char *words_of(int result) {
  if (result == UNASSIGNED) return "has a character that RFC 4013 does not know";
  if (result == PROHIBITED) return "has a character that RFC 4013 prohibits";
  if (result >= BIDI_FIRST && result <= BIDI_LAST)
    return "goes from left to right and from right to left in a way that RFC 4013 prohibits";
  return "could not be prepared as RFC 4013 has it";
}

const char *hf_saslprep(hf_bytes text, bool is_name, char **prepared) {
  *prepared = NULL;
  if (has_controls(text)) return "has a control character, which RFC 4013 prohibits";
  if (hf_utf8_malformed(text)) return "must be UTF-8 (RFC 4013)";
  char *copy = strndup(text.data, text.length);
  if (!copy || !hf_saslprep_needs_library(text)) {
    *prepared = copy;
    return copy ? NULL : "finds no memory";
  }
  char *theirs = NULL;
  int result = idn.prepare(copy, &theirs, "SASLprep", is_name ? 0 : WITHOUT_UNASSIGNED);
  explicit_bzero(copy, text.length);
  free(copy);
  if (result != FINE) return words_of(result);
  *prepared = strdup(theirs);
  explicit_bzero(theirs, strlen(theirs));
  idn.give_back(theirs);
  if (*prepared && is_name && !**prepared) {
    free(*prepared);
    *prepared = NULL;
    return "has nothing that counts (RFC 4013)";
  }
  return *prepared ? NULL : "finds no memory";
}
