#include "core/topic.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST = 65535 };

/* Bytes of the well-formed sequence that starts at `at` (Unicode table 3-7), 0 when there is none. */
static size_t sequence(const unsigned char *at, size_t left) {
  unsigned char low = 0x80, high = 0xBF;
  size_t length;
  if (at[0] < 0x80) return 1;
  if (at[0] < 0xC2 || at[0] > 0xF4) return 0;
  if (at[0] < 0xE0) {
    length = 2;
  } else if (at[0] < 0xF0) {
    length = 3;
    if (at[0] == 0xE0) low = 0xA0;  /* shorter forms exist below it */
    if (at[0] == 0xED) high = 0x9F; /* surrogates follow */
  } else {
    length = 4;
    if (at[0] == 0xF0) low = 0x90;
    if (at[0] == 0xF4) high = 0x8F; /* past U+10FFFF */
  }
  if (length > left || at[1] < low || at[1] > high) return 0;
  /*@ loop invariant 2 <= i <= length; loop assigns i; loop variant length - i; */
  for (size_t i = 2; i < length; i++)
    if ((at[i] & 0xC0) != 0x80) return 0;
  return length;
}

/* Whether the next eight bytes are ASCII without NUL, as nearly all are in nearly all topics. */
static bool eight_are_plain(const unsigned char *at) {
  uint64_t eight;
  memcpy(&eight, at, sizeof eight);
  return ((eight | (eight - 0x0101010101010101u)) & 0x8080808080808080u) == 0;
}

const char *hf_utf8_malformed(hf_bytes text) {
  const unsigned char *at = (const unsigned char *)text.data;
  if (text.length > LONGEST) return "must not be longer than 65,535 bytes";
  /*@ loop invariant i <= text.length; loop assigns i, length; loop variant text.length - i; */
  for (size_t i = 0, length; i < text.length; i += length) {
    length = 8;
    if (text.length - i >= 8 && eight_are_plain(at + i)) continue;
    if (at[i] == 0) return "must not contain a NUL character";
    length = sequence(at + i, text.length - i);
    if (length == 0) return "must be valid UTF-8";
  }
  return NULL;
}

static bool is_control(const unsigned char *at) {
  return at[0] < 0x20 || at[0] == 0x7F || (at[0] == 0xC2 && at[1] < 0xA0);
}

/* U+FDD0 to U+FDEF, and the last two of each plane (Unicode section 23.7). */
static bool is_noncharacter(const unsigned char *at, size_t length) {
  if (length < 3) return false;
  const unsigned char *last = at + length - 2;
  if (last[0] == 0xBF && last[1] >= 0xBE) return length == 3 ? at[0] == 0xEF : (at[1] & 0x0F) == 0x0F;
  return length == 3 && at[0] == 0xEF && at[1] == 0xB7 && at[2] >= 0x90 && at[2] <= 0xAF;
}

void hf_utf8_to_line(char *text) {
  for (unsigned char *at = (unsigned char *)text; *at; at++) {
    bool is_pair = at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0; /* U+0080 to U+009F; the bytes may be any */
    if (is_pair) at[1] = ' ';
    if (is_pair || *at < ' ' || *at == 0x7F) *at = ' ';
  }
}

const char *hf_utf8_problem(hf_bytes text) {
  const unsigned char *at = (const unsigned char *)text.data;
  const char *malformed = hf_utf8_malformed(text);
  if (malformed) return malformed;
  for (size_t i = 0, length; i < text.length; i += length) {
    length = sequence(at + i, text.length - i);
    if (is_control(at + i)) return "must not contain control characters";
    if (is_noncharacter(at + i, length)) return "must not contain code points that are no characters";
  }
  return NULL;
}

static bool contains(hf_bytes text, char character) {
  return text.length > 0 && memchr(text.data, character, text.length) != NULL;
}

const char *hf_topic_name_problem(hf_bytes name) {
  if (name.length == 0) return "must not be empty";
  if (contains(name, '+') || contains(name, '#')) return "must not contain the wildcards '+' and '#'";
  return hf_utf8_problem(name);
}

bool hf_topic_has_wildcard(hf_bytes filter) {
  return contains(filter, '+') || contains(filter, '#');
}

bool hf_topic_is_shared(hf_bytes filter) {
  return filter.length >= 7 && memcmp(filter.data, "$share/", 7) == 0;
}

/* Nothing when the group has no end. */
hf_bytes hf_topic_unshared(hf_bytes filter) {
  if (!hf_topic_is_shared(filter)) return filter;
  const char *end = filter.data + filter.length;
  const char *slash = memchr(filter.data + 7, '/', filter.length - 7);
  const char *rest = slash ? slash + 1 : end;
  return (hf_bytes){rest, (size_t)(end - rest)};
}

hf_bytes hf_topic_bare(hf_bytes filter) {
  static const char *const prefixes[] = {"$queue/", "$exclusive/"};
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t length = strlen(prefixes[i]);
    if (filter.length > length && memcmp(filter.data, prefixes[i], length) == 0)
      return (hf_bytes){filter.data + length, filter.length - length};
  }
  return (hf_bytes){0};
}

static const char *group_problem(hf_bytes filter) {
  if (!hf_topic_is_shared(filter)) return NULL;
  hf_bytes rest = hf_topic_unshared(filter);
  if (rest.length == 0) return "must have a group and a filter after '$share/'";
  hf_bytes group = {filter.data + 7, (size_t)(rest.data - 1 - (filter.data + 7))};
  if (group.length == 0) return "must have a group after '$share/'";
  if (hf_topic_has_wildcard(group)) return "must not have a wildcard in the group after '$share/'";
  return NULL;
}

const char *hf_topic_filter_problem(hf_bytes filter) {
  if (filter.length == 0) return "must not be empty";
  const char *problem = group_problem(filter);
  if (problem) return problem;
  for (size_t i = 0; i < filter.length; i++) {
    if (filter.data[i] != '+' && filter.data[i] != '#') continue;
    bool starts = i == 0 || filter.data[i - 1] == '/', ends = i + 1 == filter.length;
    if (filter.data[i] == '#' && !(starts && ends)) return "must have '#' only as its whole last level";
    if (filter.data[i] == '+' && !(starts && (ends || filter.data[i + 1] == '/')))
      return "must have '+' only as a whole level";
  }
  return hf_utf8_problem(filter);
}

bool hf_topic_matches(hf_bytes filter, hf_bytes name) {
  filter = hf_topic_unshared(filter);
  const char *f = filter.data, *n = name.data;
  const char *const f_end = f + filter.length, *const n_end = n + name.length;
  if (n < n_end && *n == '$' && f < f_end && *f != '$') return false;
  for (;;) { /* both stand at the start of a level */
    if (f < f_end && *f == '#') return true;
    if (f < f_end && *f == '+') {
      f++;
      while (n < n_end && *n != '/')
        n++;
    } else {
      while (f < f_end && n < n_end && *f != '/' && *f == *n)
        f++, n++;
    }
    if (n == n_end) return f == f_end || (f_end - f == 2 && f[1] == '#'); /* "a/#" matches "a" */
    if (f == f_end || *f != '/' || *n != '/') return false;
    f++, n++;
  }
}
