#include "core/proxy.h"

#include <string.h>

#include "core/uri.h"

static const struct {
  const char *name;
  hf_proxy how;
} schemes[] = {{"http://", {.port = 80, .looks_up = true}},
               {"https://", {.port = 443, .looks_up = true, .tls = true}},
               {"socks5://", {.port = 1080, .socks = true}},
               {"socks5h://", {.port = 1080, .socks = true, .looks_up = true}}};

enum { SCHEMES = sizeof schemes / sizeof schemes[0] };

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool take_scheme(hf_bytes *text, hf_proxy *proxy) {
  for (size_t i = 0; i < SCHEMES; i++) {
    size_t length = strlen(schemes[i].name), same = 0;
    while (same < length && same < text->length && lower(text->data[same]) == schemes[i].name[same])
      same++;
    if (same < length) continue;
    *proxy = schemes[i].how;
    *text = (hf_bytes){text->data + length, text->length - length};
    return true;
  }
  return false;
}

static size_t first_of(hf_bytes text, const char *characters) {
  size_t i = 0;
  while (i < text.length && !(text.data[i] && strchr(characters, text.data[i])))
    i++;
  return i;
}

/* Position of the last one, or the length: an '@' in a password is one, whoever forgot to escape it. */
static size_t last_at(hf_bytes text) {
  for (size_t i = text.length; i > 0; i--)
    if (text.data[i - 1] == '@') return i - 1;
  return text.length;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* Its length; -1: an escape is none; -2: there is no room for it. */
static int unescape(hf_bytes from, char *to, size_t room) {
  size_t length = 0;
  for (size_t i = 0; i < from.length; i++, length++) {
    if (length == room) return -2;
    to[length] = from.data[i];
    if (from.data[i] != '%') continue;
    int high = i + 2 < from.length ? digit(from.data[i + 1]) : -1, low = high < 0 ? -1 : digit(from.data[i + 2]);
    if (low < 0) return -1;
    to[length] = (char)(high * 16 + low);
    i += 2;
  }
  return (int)length;
}

static const char *take_login(hf_bytes login, hf_proxy *proxy) {
  size_t colon = first_of(login, ":"), room = proxy->socks ? HF_PROXY_SOCKS : HF_PROXY_SECRET;
  hf_bytes password = {login.data, 0};
  if (colon < login.length) password = (hf_bytes){login.data + colon + 1, login.length - colon - 1};
  int first = unescape((hf_bytes){login.data, colon}, proxy->username, room);
  int second = unescape(password, proxy->password, room);
  if (first == -1 || second == -1) return "has a '%' in its user name or password that is not one of %XX";
  if (first < 0 || second < 0)
    return proxy->socks ? "has a user name or password of more than 255 bytes, which SOCKS has no room for"
                        : "has a user name or password of more than 1,024 bytes";
  if (!proxy->socks && memchr(proxy->username, ':', (size_t)first))
    return "has a ':' in its user name, which HTTP does not allow (RFC 7617)";
  if (proxy->socks && first == 0) return "has no user name, which SOCKS wants (RFC 1929)";
  proxy->username_length = (uint16_t)first;
  proxy->password_length = (uint16_t)second;
  proxy->login = true;
  return NULL;
}

static const char *take_place(hf_bytes place, hf_proxy *proxy) {
  char unused[HF_URI_PROBLEM]; /* it may show what was meant to be a password */
  hf_uri uri;
  if (place.length == 0) return "has no host";
  if (hf_uri_parse(place, &uri, unused))
    return "must have a host, an IPv6 address in brackets, and a port from 1 to 65,535 behind its scheme";
  size_t close = place.data[0] == '[' ? first_of(place, "]") : 0;
  bool has_port = memchr(place.data + close, ':', place.length - close) != NULL;
  if (has_port) proxy->port = uri.port;
  memcpy(proxy->host, uri.host.data, uri.host.length);
  proxy->host[uri.host.length] = '\0';
  return NULL;
}

const char *hf_proxy_parse(hf_bytes text, hf_proxy *proxy) {
  *proxy = (hf_proxy){0};
  for (size_t i = 0; i < text.length; i++)
    if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7F)
      return "must not contain spaces or control characters";
  if (!take_scheme(&text, proxy)) return "must begin with http://, https://, socks5:// or socks5h://";
  size_t tail = first_of(text, "/?#");
  bool bare = tail == text.length || (tail + 1 == text.length && text.data[tail] == '/');
  if (!bare) return "must not have anything after host and port; a '/', '?' or '#' in a password is written as %XX";
  text.length = tail;
  size_t at = last_at(text);
  bool login = at < text.length && at > 0;
  const char *wrong = login ? take_login((hf_bytes){text.data, at}, proxy) : NULL;
  if (at < text.length) text = (hf_bytes){text.data + at + 1, text.length - at - 1};
  return wrong ? wrong : take_place(text, proxy);
}
