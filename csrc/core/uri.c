#include "core/uri.h"

#include <string.h>

/* LONGEST_HOST: RFC 1035 section 2.3.4, less the root; nor has any system a zone as long as that. SHOWN: characters of
 * the user's text in a message. */
enum { LONGEST_HOST = 253, SHOWN = 40 };

static const struct {
  const char *name;
  bool tls;
  hf_road road;
  bool service;
} schemes[] = {{"mqtt", false, HF_ROAD_TCP, false},     {"mqtts", true, HF_ROAD_TCP, false},
               {"tcp", false, HF_ROAD_TCP, false},      {"ssl", true, HF_ROAD_TCP, false},
               {"mqtt+srv", false, HF_ROAD_TCP, true},  {"mqtts+srv", true, HF_ROAD_TCP, true},
               {"ws", false, HF_ROAD_WEBSOCKET, false}, {"wss", true, HF_ROAD_WEBSOCKET, false},
               {"unix", false, HF_ROAD_UNIX, false},    {"quic", true, HF_ROAD_QUIC, false}};

enum { SCHEMES = sizeof schemes / sizeof schemes[0] };

static const char *const roads[] = {
    [HF_ROAD_TCP] = "tcp", [HF_ROAD_WEBSOCKET] = "websocket", [HF_ROAD_UNIX] = "unix", [HF_ROAD_QUIC] = "quic"};

enum { ROADS = sizeof roads / sizeof roads[0] };

const char *hf_road_name(hf_road road) {
  return roads[road];
}

int hf_road_find(const char *name) {
  for (int i = 0; i < ROADS; i++)
    if (strcmp(roads[i], name) == 0) return i;
  return -1;
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

static bool is_name(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_' || c == '.';
}

static char *append(char *end, const char *text, size_t length) {
  memcpy(end, text, length);
  return end + length;
}

/* `before`, then the user's own text in quotes, then `after`; the longest of them fit into HF_URI_PROBLEM. */
static const char *say(char *problem, const char *before, hf_bytes part, const char *after) {
  bool cut = part.length > SHOWN;
  char *end = append(problem, before, strlen(before));
  *end++ = '\'';
  end = append(end, part.data, cut ? SHOWN : part.length);
  if (cut) end = append(end, "...", 3);
  *end++ = '\'';
  append(end, after, strlen(after) + 1);
  return problem;
}

static hf_bytes from(hf_bytes text, size_t start) {
  return (hf_bytes){text.data + start, text.length - start};
}

/* Position of the first of `characters`, or the length. */
static size_t first_of(hf_bytes text, const char *characters) {
  size_t i = 0;
  while (i < text.length && !(text.data[i] && strchr(characters, text.data[i])))
    i++;
  return i;
}

static bool all(hf_bytes text, bool (*test)(char)) {
  for (size_t i = 0; i < text.length; i++)
    if (!test(text.data[i])) return false;
  return true;
}

static bool is_scheme(hf_bytes text, const char *name) {
  size_t same = 0;
  while (same < text.length && lower(text.data[same]) == name[same])
    same++;
  return same == text.length && name[same] == '\0';
}

/* Takes "scheme://" off the text. */
static const char *take_scheme(hf_bytes *text, hf_uri *uri, char *problem) {
  size_t colon = first_of(*text, ":/?#[]@");
  if (text->length < colon + 3 || memcmp(text->data + colon, "://", 3) != 0) return NULL;
  hf_bytes name = {text->data, colon};
  for (size_t i = 0; i < SCHEMES; i++) {
    if (!is_scheme(name, schemes[i].name)) continue;
    uri->tls = schemes[i].tls;
    uri->road = schemes[i].road;
    uri->service = schemes[i].service;
    *text = from(*text, colon + 3);
    return NULL;
  }
  return say(problem, "has the unknown scheme ", name,
             "; mqtt, mqtts, tcp, ssl, mqtt+srv, mqtts+srv, ws, wss, unix and quic are known");
}

/* Whether the text is a dotted quad; no leading zeros, which some resolvers read as octal. */
static bool is_ipv4(hf_bytes text) {
  size_t at = 0;
  for (int part = 0; part < 4; part++) {
    if (part > 0 && !(at < text.length && text.data[at++] == '.')) return false;
    unsigned value = 0;
    size_t start = at;
    while (at < text.length && at - start < 3 && is_digit(text.data[at]))
      value = value * 10 + (unsigned)(text.data[at++] - '0');
    if (at == start || value > 255 || (text.data[start] == '0' && at - start > 1)) return false;
  }
  return at == text.length;
}

/* RFC 4291 section 2.2: eight groups, or fewer around one "::"; the last two may be a dotted quad. */
static bool is_ipv6_address(hf_bytes text) {
  size_t at = 0;
  int groups = 0;
  bool gap = false;
  if (text.length >= 2 && text.data[0] == ':' && text.data[1] == ':') {
    gap = true;
    at = 2;
  }
  while (at < text.length) {
    size_t start = at;
    while (at < text.length && at - start < 4 && is_hex(text.data[at]))
      at++;
    if (at == start) return false;
    if (at < text.length && text.data[at] == '.') {
      groups += 2;
      return is_ipv4(from(text, start)) && (gap ? groups < 8 : groups == 8);
    }
    groups++;
    if (at == text.length) break;
    if (text.data[at++] != ':' || at == text.length) return false;
    if (text.data[at] != ':') continue;
    if (gap) return false;
    gap = true;
    at++;
  }
  return gap ? groups < 8 : groups == 8;
}

/* In a URI the '%' of a zone is written "%25" (RFC 6874 section 2); where it is not, as everywhere else, it is one all
 * the same. */
static void unescape_zone(hf_uri *uri) {
  hf_bytes host = uri->host;
  size_t percent = first_of(host, "%"), zone = percent + 3;
  if (host.length <= zone || host.length > HF_URI_ZONED || memcmp(host.data + percent, "%25", 3) != 0) return;
  char *end = append(uri->zoned, host.data, percent + 1);
  end = append(end, host.data + zone, host.length - zone);
  uri->host = (hf_bytes){uri->zoned, (size_t)(end - uri->zoned)};
}

/* "fe80::1%eth0": a link-local address needs its zone, RFC 4007 section 11. */
static bool is_ipv6(hf_bytes text) {
  size_t percent = first_of(text, "%");
  if (percent == text.length) return is_ipv6_address(text);
  hf_bytes zone = from(text, percent + 1);
  return is_ipv6_address((hf_bytes){text.data, percent}) && zone.length > 0 && all(zone, is_name);
}

static bool is_digit_or_dot(char c) {
  return is_digit(c) || c == '.';
}

static const char *check_host(hf_bytes host, char *problem) {
  if (host.length == 0) return "has no host";
  if (host.length > LONGEST_HOST) return "has a host name of more than 253 characters";
  if (!all(host, is_name))
    return say(problem, "has the host ", host, ", and host names are letters, digits, '-' and '.'");
  if (all(host, is_digit_or_dot) && !is_ipv4(host))
    return say(problem, "has the host ", host, ", which is no IPv4 address");
  for (size_t i = 0, start = 0; i <= host.length; i++) {
    if (i < host.length && host.data[i] != '.') continue;
    bool root = i == host.length && start > 0; /* "example.com." */
    if (i == start && !root) return say(problem, "has the host ", host, ", which has an empty part");
    if (i - start > 63) return "has a host name with a part of more than 63 characters";
    start = i + 1;
  }
  return NULL;
}

static const char *take_host(hf_bytes *text, hf_uri *uri, char *problem) {
  if (text->length > 0 && text->data[0] == '[') {
    size_t close = first_of(*text, "]");
    if (close == text->length) return "has a '[' without its ']'";
    uri->host = (hf_bytes){text->data + 1, close - 1};
    uri->ipv6 = true;
    *text = from(*text, close + 1);
    unescape_zone(uri);
    if (uri->host.length > LONGEST_HOST) return "has more than 253 characters in brackets";
    return is_ipv6(uri->host) ? NULL : say(problem, "has ", uri->host, " in brackets, which is no IPv6 address");
  }
  size_t colon = first_of(*text, ":");
  if (is_ipv6(*text)) return "must have its IPv6 address in brackets";
  uri->host = (hf_bytes){text->data, colon};
  *text = from(*text, colon);
  return check_host(uri->host, problem);
}

uint16_t hf_uri_usual_port(hf_road road, bool tls) {
  if (road == HF_ROAD_QUIC) return 14567; /* nobody has registered one; where the brokers that there are listen */
  if (road == HF_ROAD_WEBSOCKET) return tls ? 443 : 80;
  return tls ? 8883 : 1883;
}

/* Its servers have addresses and ports. */
static const char *check_service(hf_bytes after_host, const hf_uri *uri) {
  if (uri->ipv6 || is_ipv4(uri->host)) return "must have the name of a service, not an address";
  return after_host.length > 0 ? "must not have a port: the records of its service have them" : NULL;
}

static const char *take_port(hf_bytes text, hf_uri *uri, char *problem) {
  if (text.length == 0) {
    uri->port = hf_uri_usual_port(uri->road, uri->tls);
    return NULL;
  }
  if (text.data[0] != ':') return say(problem, "has ", text, " where a port should be");
  hf_bytes digits = from(text, 1);
  if (digits.length == 0) return "has no port after its ':'";
  unsigned long port = 0;
  bool good = all(digits, is_digit);
  for (size_t i = 0; good && i < digits.length; i++) {
    port = port * 10 + (unsigned long)(digits.data[i] - '0');
    good = port <= UINT16_MAX;
  }
  if (!good || port == 0) return say(problem, "has the port ", digits, ", which must be a number from 1 to 65535");
  uri->port = (uint16_t)port;
  return NULL;
}

static bool is_of_path(char c) {
  return c > ' ' && c < 0x7F && c != '#';
}

static const char *take_tail(hf_bytes *text, hf_uri *uri, char *problem) {
  size_t tail = first_of(*text, "/?#");
  hf_bytes rest = from(*text, tail);
  *text = (hf_bytes){text->data, tail};
  if (rest.length == 0) return NULL;
  if (uri->road != HF_ROAD_WEBSOCKET)
    return say(problem, "must not have anything after host and port, but has ", rest, "");
  if (rest.length > HF_URI_PATH) return "has a path and query of more than 2,048 bytes";
  if (memchr(rest.data, '#', rest.length)) return "must not have a fragment (RFC 6455 section 3)";
  if (!all(rest, is_of_path)) return "must have what is not ASCII in its path as %XX";
  uri->path = rest;
  return NULL;
}

/* As it stands, without escapes: so do the tools that listen there write it. */
static const char *take_path(hf_bytes text, hf_uri *uri, char *problem) {
  if (text.length == 0) return "has no path of a socket";
  if (text.data[0] != '/')
    return say(problem, "has ", text,
               " where the path of a socket should begin with its '/', as in unix:///run/broker");
  if (text.length > HF_URI_SOCKET) return "has the path of a socket of more than 107 bytes, which no system takes";
  uri->host = text;
  return NULL;
}

const char *hf_uri_parse(hf_bytes text, hf_uri *uri, char *problem) {
  *uri = (hf_uri){0};
  if (text.length == 0) return "must not be empty";
  for (size_t i = 0; i < text.length; i++)
    if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7F)
      return "must not contain spaces or control characters";
  const char *wrong = take_scheme(&text, uri, problem);
  if (wrong) return wrong;
  if (uri->road == HF_ROAD_UNIX) return take_path(text, uri, problem);
  hf_bytes authority = {text.data, first_of(text, "/?#")};
  if (first_of(authority, "@") < authority.length)
    return "must not have a user name or password; they have options of their own";
  wrong = take_tail(&text, uri, problem);
  if (!wrong) wrong = take_host(&text, uri, problem);
  if (wrong) return wrong;
  return uri->service ? check_service(text, uri) : take_port(text, uri, problem);
}
