#define _DEFAULT_SOURCE
#include "stream/proxy_handshake.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/http.h"

enum { SOCKS = 5, CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4, NO_LOGIN = 0, LOGIN = 2, LOGIN_VERSION = 1 };
enum { GREETING, LOGGING_IN, ASKING }; /* steps of SOCKS */
enum { SHOWN = 100 /* of the proxy's words */, LONGEST_NAME = 255 };

static hf_proxy_turn refuse(hf_stream_end *end, hf_source source, int code, const char *text) {
  *end = (hf_stream_end){.reason = hf_reason_find(source, code), .code = code};
  snprintf(end->text, sizeof end->text, "%s", text);
  return HF_PROXY_REFUSES;
}

/* ---- HTTP ---- */

/* RFC 4648 section 4, ended by a NUL: for who has no TLS, OpenSSL need not be there. */
static void encode(const char *from, size_t length, char *to) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < length; i += 3) {
    uint32_t bits = 0;
    for (size_t j = i; j < i + 3; j++)
      bits = bits << 8 | (j < length ? (uint8_t)from[j] : 0u);
    for (size_t j = 0; j < 4; j++)
      *to++ = i + j > length ? '=' : digits[bits >> (18 - 6 * j) & 63];
  }
  *to = '\0';
}

/* Its length; a zone is of no interest to anybody else. */
static size_t say_connect(const hf_proxy_handshake *handshake, uint8_t *to) {
  const hf_proxy *proxy = handshake->proxy;
  char authority[300], login[2 * HF_PROXY_SECRET + 2];
  char encoded[(sizeof login + 2) / 3 * 4 + 1] = "";
  int host = (int)strcspn(handshake->host, "%");
  bool six = strchr(handshake->host, ':') != NULL;
  snprintf(authority, sizeof authority, "%s%.*s%s:%u", six ? "[" : "", host, handshake->host, six ? "]" : "",
           handshake->port);
  if (proxy->login) {
    size_t length = proxy->username_length;
    memcpy(login, proxy->username, length);
    login[length++] = ':';
    memcpy(login + length, proxy->password, proxy->password_length);
    encode(login, length + proxy->password_length, encoded);
    explicit_bzero(login, sizeof login);
  }
  int length =
      snprintf((char *)to, HF_PROXY_SAYS, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", authority, authority,
               proxy->login ? "Proxy-Authorization: Basic " : "", encoded, proxy->login ? "\r\n" : "");
  explicit_bzero(encoded, sizeof encoded);
  return (size_t)length;
}

static hf_proxy_turn refuse_status(hf_stream_end *end, const hf_http_head *head) {
  int shown = head->phrase.length < SHOWN ? (int)head->phrase.length : SHOWN;
  refuse(end, HF_SOURCE_PROXY, head->status, "");
  snprintf(end->text, sizeof end->text, "HTTP %d%s%.*s", head->status, shown ? " " : "", shown, head->phrase.data);
  end->retry_after = hf_http_retry_after(head);
  return HF_PROXY_REFUSES;
}

/* An answer of 1xx is followed by another one (RFC 9110 section 15.2). */
static hf_proxy_turn hear_http(hf_proxy_handshake *handshake, hf_bytes heard, size_t *used, hf_stream_end *end) {
  hf_http_head head;
  size_t length = hf_http_head_end(heard, &handshake->looked);
  if (!length) return HF_PROXY_LISTENS;
  if (!hf_http_head_read((hf_bytes){heard.data, length}, &head))
    return refuse(end, HF_SOURCE_PROXY, HF_PROXY_HANDSHAKE, "it is not HTTP/1.1");
  *used = length;
  handshake->looked = 0;
  if (head.status >= 100 && head.status < 200 && head.status != 101) return HF_PROXY_LISTENS;
  return head.status >= 200 && head.status < 300 ? HF_PROXY_OPENS : refuse_status(end, &head);
}

/* ---- SOCKS ---- */

static size_t put_string(uint8_t *to, const char *text, size_t length) {
  to[0] = (uint8_t)length;
  memcpy(to + 1, text, length);
  return length + 1;
}

static size_t say_greeting(const hf_proxy *proxy, uint8_t *to) {
  const uint8_t bytes[] = {SOCKS, proxy->login ? 2 : 1, NO_LOGIN, LOGIN};
  size_t length = proxy->login ? 4 : 3;
  memcpy(to, bytes, length);
  return length;
}

static size_t say_login(const hf_proxy *proxy, uint8_t *to) {
  to[0] = LOGIN_VERSION;
  size_t length = 1 + put_string(to + 1, proxy->username, proxy->username_length);
  return length + put_string(to + length, proxy->password, proxy->password_length);
}

static size_t put_place(const hf_proxy_handshake *handshake, uint8_t *to) {
  char text[LONGEST_NAME + 1];
  const char *place = handshake->proxy->looks_up ? handshake->host : handshake->address;
  int length = snprintf(text, sizeof text, "%.*s", (int)strcspn(place, "%"), place);
  if (inet_pton(AF_INET, text, to + 1) == 1) {
    to[0] = IPV4;
    return 1 + 4;
  }
  if (inet_pton(AF_INET6, text, to + 1) == 1) {
    to[0] = IPV6;
    return 1 + 16;
  }
  to[0] = NAME;
  return 1 + put_string(to + 1, text, (size_t)length);
}

static size_t say_request(const hf_proxy_handshake *handshake, uint8_t *to) {
  const uint8_t head[] = {SOCKS, CONNECT, 0};
  memcpy(to, head, sizeof head);
  size_t length = sizeof head + put_place(handshake, to + sizeof head);
  to[length] = (uint8_t)(handshake->port >> 8);
  to[length + 1] = (uint8_t)(handshake->port & 0xFF);
  return length + 2;
}

static hf_proxy_turn not_socks(hf_stream_end *end) {
  return refuse(end, HF_SOURCE_PROXY, HF_PROXY_HANDSHAKE, "it is not SOCKS5");
}

static hf_proxy_turn hear_method(hf_proxy_handshake *handshake, const uint8_t *bytes, hf_stream_end *end) {
  enum { NONE = 0xFF };
  bool login = handshake->proxy->login;
  if (bytes[0] != SOCKS) return not_socks(end);
  if (bytes[1] == NONE)
    return refuse(end, HF_SOURCE_SOCKS, HF_SOCKS_AUTHENTICATION,
                  login ? "it takes neither a user name and password, nor nothing"
                        : "it wants a user name and password");
  if (bytes[1] != NO_LOGIN && !(bytes[1] == LOGIN && login)) return not_socks(end);
  handshake->step = bytes[1] == LOGIN ? LOGGING_IN : ASKING;
  return HF_PROXY_SPEAKS;
}

/* Of the version that it should begin with some proxies make that of SOCKS. */
static hf_proxy_turn hear_login(hf_proxy_handshake *handshake, const uint8_t *bytes, hf_stream_end *end) {
  if (bytes[0] != LOGIN_VERSION && bytes[0] != SOCKS) return not_socks(end);
  if (bytes[1] != 0) return refuse(end, HF_SOURCE_SOCKS, HF_SOCKS_AUTHENTICATION, "it does not accept them");
  handshake->step = ASKING;
  return HF_PROXY_SPEAKS;
}

/* A refusal need not be whole: who refuses may hang up at once. */
static hf_proxy_turn hear_reply(hf_bytes heard, size_t *used, hf_stream_end *end) {
  enum { HEAD = 4, PORT = 2 };
  const uint8_t *bytes = (const uint8_t *)heard.data;
  if (bytes[0] != SOCKS) return not_socks(end);
  if (bytes[1] != 0) return refuse(end, HF_SOURCE_SOCKS, bytes[1], "");
  if (heard.length < HEAD + 1) return HF_PROXY_LISTENS;
  size_t address = bytes[3] == IPV4 ? 4 : bytes[3] == IPV6 ? 16 : bytes[3] == NAME ? 1u + bytes[HEAD] : 0;
  if (!address) return not_socks(end);
  if (heard.length < HEAD + address + PORT) return HF_PROXY_LISTENS;
  *used = HEAD + address + PORT;
  return HF_PROXY_OPENS;
}

static hf_proxy_turn hear_socks(hf_proxy_handshake *handshake, hf_bytes heard, size_t *used, hf_stream_end *end) {
  if (heard.length < 2) return HF_PROXY_LISTENS;
  if (handshake->step == ASKING) return hear_reply(heard, used, end);
  *used = 2;
  const uint8_t *bytes = (const uint8_t *)heard.data;
  return handshake->step == GREETING ? hear_method(handshake, bytes, end) : hear_login(handshake, bytes, end);
}

/* ---- either ---- */

size_t hf_proxy_say(hf_proxy_handshake *handshake, uint8_t *to) {
  if (!handshake->proxy->socks) return say_connect(handshake, to);
  if (handshake->step == GREETING) return say_greeting(handshake->proxy, to);
  return handshake->step == LOGGING_IN ? say_login(handshake->proxy, to) : say_request(handshake, to);
}

hf_proxy_turn hf_proxy_hear(hf_proxy_handshake *handshake, hf_bytes heard, size_t *used, hf_stream_end *end) {
  *used = 0;
  return handshake->proxy->socks ? hear_socks(handshake, heard, used, end) : hear_http(handshake, heard, used, end);
}
