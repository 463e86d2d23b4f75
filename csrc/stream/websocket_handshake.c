#include "stream/websocket_handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http.h"
#include "stream/openssl.h"
#include "sys/entropy.h"
#include "sys/library.h"

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */

enum { KEY = 16, LONGEST = 1024 /* of a request, less path and headers */, SHOWN = 100 /* of the server's words */ };

/* ---- the request ---- */

static void make_key(hf_handshake *handshake) {
  unsigned char nonce[KEY], digest[SHA_DIGEST_LENGTH];
  char both[sizeof handshake->key + sizeof GUID];
  uint64_t random[2] = {hf_entropy(), hf_entropy()};
  memcpy(nonce, random, KEY);
  EVP_EncodeBlock((unsigned char *)handshake->key, nonce, KEY);
  int length = snprintf(both, sizeof both, "%s%s", handshake->key, GUID);
  EVP_Digest(both, (size_t)length, digest, NULL, EVP_sha1(), NULL);
  EVP_EncodeBlock((unsigned char *)handshake->accept, digest, SHA_DIGEST_LENGTH);
}

static bool is_ipv6(const char *host) {
  return strchr(host, ':') != NULL;
}

/* "host" or "host:port", as a URI has them; a zone is of no interest to anybody else (RFC 6874 section 1). */
static void show_authority(char *text, size_t room, const hf_stream_target *target) {
  int length = (int)strcspn(target->host, "%");
  bool six = is_ipv6(target->host);
  if (target->port == hf_uri_usual_port(HF_ROAD_WEBSOCKET, target->tls != NULL))
    snprintf(text, room, "%s%.*s%s", six ? "[" : "", length, target->host, six ? "]" : "");
  else
    snprintf(text, room, "%s%.*s%s:%u", six ? "[" : "", length, target->host, six ? "]" : "", target->port);
}

char *hf_handshake_request(hf_handshake *handshake, const hf_stream_target *target, size_t *length) {
  const char *path = target->path ? target->path : "", *headers = target->headers ? target->headers : "";
  size_t room = LONGEST + strlen(path) + strlen(headers);
  char missing[HF_LIBRARY_PROBLEM]; /* nothing, once a client with such a server has been made */
  if (!hf_tls_load(missing)) return NULL;
  char authority[300], *request = malloc(room);
  if (!request) return NULL;
  make_key(handshake);
  show_authority(authority, sizeof authority, target);
  *length = (size_t)snprintf(request, room,
                             "GET %s%s HTTP/1.1\r\n"
                             "Host: %s\r\n"
                             "Upgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Key: %s\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Protocol: mqtt\r\n"
                             "%s\r\n",
                             path[0] == '/' ? "" : "/", path, authority, handshake->key, headers);
  return request;
}

/* ---- the answer ---- */

static bool is_there(const char *address) {
  return strncmp(address, "ws://", 5) == 0 || strncmp(address, "wss://", 6) == 0;
}

/* A whole address, or a path at this server (RFC 9110 section 10.2.2); what is neither is not followed. */
static void show_location(hf_stream_end *end, const hf_stream_target *target, hf_bytes location) {
  char authority[300];
  const char *scheme = target->tls ? "wss" : "ws";
  int length = location.length < sizeof end->location ? (int)location.length : 0;
  char *to = end->location;
  show_authority(authority, sizeof authority, target);
  if (length > 1 && location.data[0] == '/' && location.data[1] == '/')
    snprintf(to, sizeof end->location, "%s:%.*s", scheme, length, location.data);
  else if (length && location.data[0] == '/')
    snprintf(to, sizeof end->location, "%s://%s%.*s", scheme, authority, length, location.data);
  else if (length > 8 && memcmp(location.data, "https://", 8) == 0)
    snprintf(to, sizeof end->location, "wss%.*s", length - 5, location.data + 5);
  else if (length > 7 && memcmp(location.data, "http://", 7) == 0)
    snprintf(to, sizeof end->location, "ws%.*s", length - 4, location.data + 4);
  else
    snprintf(to, sizeof end->location, "%.*s", length, location.data);
  if (!is_there(to)) to[0] = '\0';
}

static bool refuse(hf_stream_end *end, hf_source source, int code, const char *text) {
  end->reason = hf_reason_find(source, code);
  end->code = code;
  snprintf(end->text, sizeof end->text, "%s", text);
  return false;
}

static bool is(hf_bytes value, const char *text) {
  return value.length == strlen(text) && memcmp(value.data, text, value.length) == 0;
}

static bool refuse_status(hf_stream_end *end, const hf_stream_target *target, const hf_http_head *head) {
  size_t at = 0;
  int shown = head->phrase.length < SHOWN ? (int)head->phrase.length : SHOWN;
  refuse(end, HF_SOURCE_HTTP, head->status, "");
  snprintf(end->text, sizeof end->text, "HTTP %d%s%.*s", head->status, shown ? " " : "", shown, head->phrase.data);
  end->retry_after = hf_http_retry_after(head);
  if (head->status >= 300 && head->status < 400) {
    hf_bytes location = hf_http_field(head, "location", &at);
    if (location.data) show_location(end, target, location);
  }
  return false;
}

bool hf_handshake_judge(const hf_handshake *handshake, const hf_stream_target *target, hf_bytes whole,
                        hf_stream_end *end) {
  hf_http_head head;
  size_t at = 0;
  *end = (hf_stream_end){0};
  if (!hf_http_head_read(whole, &head))
    return refuse(end, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_HANDSHAKE, "it is not HTTP/1.1");
  if (head.status != 101) return refuse_status(end, target, &head);
  if (!hf_http_has(&head, "upgrade", "websocket") || !hf_http_has(&head, "connection", "upgrade"))
    return refuse(end, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_HANDSHAKE, "HTTP 101, but not for a WebSocket");
  if (!is(hf_http_field(&head, "sec-websocket-accept", &at), handshake->accept))
    return refuse(end, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_HANDSHAKE, "its Sec-WebSocket-Accept is for another request");
  at = 0;
  if (hf_http_field(&head, "sec-websocket-extensions", &at).length)
    return refuse(end, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_HANDSHAKE, "it uses an extension that nobody asked for");
  at = 0;
  hf_bytes chosen = hf_http_field(&head, "sec-websocket-protocol", &at);
  if (is(chosen, "mqtt")) return true;
  refuse(end, HF_SOURCE_WEBSOCKET, HF_WEBSOCKET_SUBPROTOCOL, "it has chosen none");
  if (chosen.length)
    snprintf(end->text, sizeof end->text, "it has chosen '%.*s'", chosen.length < SHOWN ? (int)chosen.length : SHOWN,
             chosen.data);
  return false;
}
