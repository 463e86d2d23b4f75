#include "core/http.h"

#include <string.h>

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static hf_bytes trimmed(hf_bytes text) {
  while (text.length && is_blank(text.data[0])) {
    text.data++;
    text.length--;
  }
  while (text.length && is_blank(text.data[text.length - 1]))
    text.length--;
  return text;
}

static bool same(hf_bytes text, const char *name) {
  size_t i = 0;
  while (i < text.length && name[i] && lower(text.data[i]) == name[i])
    i++;
  return i == text.length && name[i] == '\0';
}

/* A line may end with a bare LF (RFC 9112 section 2.2). */
static hf_bytes take_line(hf_bytes *from) {
  const char *end = from->length ? memchr(from->data, '\n', from->length) : NULL;
  size_t length = end ? (size_t)(end - from->data) : from->length;
  hf_bytes line = {from->data, length};
  size_t taken = end ? length + 1 : length;
  from->data += taken;
  from->length -= taken;
  if (line.length && line.data[line.length - 1] == '\r') line.length--;
  return line;
}

size_t hf_http_head_end(hf_bytes bytes, size_t *looked) {
  for (size_t i = *looked; i < bytes.length; i++) {
    if (bytes.data[i] != '\n') continue;
    if (i >= 1 && bytes.data[i - 1] == '\n') return i + 1;
    if (i >= 2 && bytes.data[i - 1] == '\r' && bytes.data[i - 2] == '\n') return i + 1;
  }
  *looked = bytes.length;
  return 0;
}

/* RFC 9110 section 5.6.2. */
static bool is_token_character(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool hf_http_is_name(hf_bytes text) {
  for (size_t i = 0; i < text.length; i++)
    if (!is_token_character(text.data[i])) return false;
  return text.length > 0;
}

bool hf_http_is_value(hf_bytes text) {
  for (size_t i = 0; i < text.length; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if ((c < ' ' && c != '\t') || c == 0x7F) return false;
  }
  return true;
}

static bool is_field(hf_bytes line) {
  const char *colon = memchr(line.data, ':', line.length);
  if (!colon) return false;
  size_t name = (size_t)(colon - line.data);
  return hf_http_is_name((hf_bytes){line.data, name}) &&
         hf_http_is_value((hf_bytes){colon + 1, line.length - name - 1});
}

static bool read_status(hf_bytes line, hf_http_head *head) {
  enum { PHRASE = sizeof "HTTP/1.1 101" - 1 };
  if (line.length < PHRASE || memcmp(line.data, "HTTP/1.", 7) != 0 || !is_digit(line.data[7]) || line.data[8] != ' ')
    return false;
  for (int i = 9; i < PHRASE; i++) {
    if (!is_digit(line.data[i])) return false;
    head->status = head->status * 10 + (line.data[i] - '0');
  }
  hf_bytes rest = {line.data + PHRASE, line.length - PHRASE};
  if (rest.length && rest.data[0] != ' ') return false;
  head->phrase = trimmed(rest);
  return head->status >= 100 && hf_http_is_value(head->phrase);
}

bool hf_http_head_read(hf_bytes whole, hf_http_head *head) {
  *head = (hf_http_head){0};
  hf_bytes rest = whole;
  if (!read_status(take_line(&rest), head)) return false;
  head->fields = rest;
  while (rest.length) {
    hf_bytes line = take_line(&rest);
    if (line.length == 0) return rest.length == 0;
    if (!is_field(line)) return false;
  }
  return true;
}

hf_bytes hf_http_field(const hf_http_head *head, const char *name, size_t *at) {
  hf_bytes rest = {head->fields.data + *at, head->fields.length - *at};
  hf_bytes found = {NULL, 0};
  while (rest.length && !found.data) {
    hf_bytes line = take_line(&rest);
    const char *colon = line.length ? memchr(line.data, ':', line.length) : NULL;
    if (!colon || !same((hf_bytes){line.data, (size_t)(colon - line.data)}, name)) continue;
    found = trimmed((hf_bytes){colon + 1, line.length - (size_t)(colon + 1 - line.data)});
  }
  *at = head->fields.length - rest.length;
  return found;
}

bool hf_http_has(const hf_http_head *head, const char *name, const char *token) {
  size_t at = 0;
  for (hf_bytes list = hf_http_field(head, name, &at); list.data; list = hf_http_field(head, name, &at)) {
    while (list.length) {
      const char *comma = memchr(list.data, ',', list.length);
      size_t length = comma ? (size_t)(comma - list.data) : list.length;
      if (same(trimmed((hf_bytes){list.data, length}), token)) return true;
      if (!comma) break;
      list.data += length + 1;
      list.length -= length + 1;
    }
  }
  return false;
}

static bool read_number(hf_bytes text, uint32_t *number) {
  uint64_t value = 0;
  for (size_t i = 0; i < text.length; i++) {
    if (!is_digit(text.data[i])) return false;
    value = value * 10 + (uint64_t)(text.data[i] - '0');
    if (value > UINT32_MAX) value = UINT32_MAX;
  }
  *number = (uint32_t)value;
  return text.length > 0;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7) -> seconds since some day; -1: it is no such date. */
static int64_t read_date(hf_bytes text) {
  static const char form[] = "aaa, 00 aaa 0000 00:00:00 GMT", months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
  if (text.length != sizeof form - 1) return -1;
  uint32_t numbers[5] = {0}, month = 0;
  size_t count = 0;
  for (size_t i = 0; i < text.length; i++) {
    char c = text.data[i];
    if (form[i] == '0' ? !is_digit(c) : form[i] == 'a' ? !(lower(c) >= 'a' && lower(c) <= 'z') : c != form[i])
      return -1;
    if (form[i] != '0') continue;
    numbers[count] = numbers[count] * 10 + (uint32_t)(c - '0');
    if (form[i + 1] != '0') count++;
  }
  char name[4] = {lower(text.data[8]), lower(text.data[9]), lower(text.data[10]), '\0'};
  while (month < 12 && memcmp(months + 3 * month, name, 3) != 0)
    month++;
  if (month == 12) return -1;
  /* The year begins with March, so that its odd day is its last. */
  int64_t year = (int64_t)numbers[1] - (month < 2), of_year = ((int64_t)month + 10) % 12;
  int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * of_year + 2) / 5 + numbers[0];
  return ((days * 24 + numbers[2]) * 60 + numbers[3]) * 60 + numbers[4];
}

uint32_t hf_http_retry_after(const hf_http_head *head) {
  size_t at = 0;
  uint32_t seconds = 0;
  hf_bytes wish = hf_http_field(head, "retry-after", &at);
  if (!wish.data || read_number(wish, &seconds)) return seconds;
  at = 0;
  int64_t until = read_date(wish), now = read_date(hf_http_field(head, "date", &at));
  if (until < 0 || now < 0 || until <= now) return 0;
  return until - now > UINT32_MAX ? UINT32_MAX : (uint32_t)(until - now);
}
