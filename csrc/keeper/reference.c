#include "keeper/reference.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/uri.h"
#include "keeper/inside.h"

enum { USE_ANOTHER_SERVER = 0x9C, SERVER_MOVED = 0x9D, LONGEST = 300 };

struct hf_known_server {
  hf_server server;
  hf_known_server *next;
};

const hf_server *hf_reference_server(const hf_client *client) {
  const hf_reference *reference = &client->reference;
  const hf_server *listed = &client->options->servers[client->engine.server];
  if (!reference->server || reference->resting) return listed;
  return !reference->permanent || reference->instead_of == client->engine.server ? reference->server : listed;
}

/* "*.example" allows every name that ends so, anything else only itself; names know no case (RFC 4343). */
static bool allows(const char *pattern, hf_bytes host) {
  size_t length = strlen(pattern);
  if (strncmp(pattern, "*.", 2) != 0) return length == host.length && strncasecmp(pattern, host.data, length) == 0;
  return host.length > length - 1 && strncasecmp(pattern + 1, host.data + host.length - (length - 1), length - 1) == 0;
}

static bool allowed(const hf_client_options *options, hf_bytes host) {
  for (const char *const *pattern = options->redirect_allow; pattern && *pattern; pattern++) {
    if (allows(*pattern, host)) return true;
  }
  return false;
}

static const hf_server *remember(hf_client *client, const char *text, const hf_uri *uri) {
  hf_reference *reference = &client->reference;
  for (hf_known_server *known = reference->known; known; known = known->next) {
    if (strcmp(known->server.text, text) == 0) return &known->server;
  }
  if (reference->count == HF_REFERENCES) return NULL;
  hf_known_server *known = hf_options_allocate(client->options, sizeof *known);
  if (!known) return NULL;
  hf_bytes path = uri->path.data ? uri->path : (hf_bytes){"", 0};
  hf_server *server = &known->server;
  *server = (hf_server){.text = hf_options_copy(client->options, text, strlen(text)),
                        .host = hf_options_copy(client->options, uri->host.data, uri->host.length),
                        .road = uri->road,
                        .path = hf_options_copy(client->options, path.data, path.length),
                        .port = uri->port,
                        .tls = uri->tls,
                        .ipv6 = uri->ipv6};
  if (!server->text || !server->host || !server->path) return NULL;
  known->next = reference->known;
  reference->known = known;
  reference->count++;
  return server;
}

/* One address; NULL: it may not be followed. */
static const hf_server *take(hf_client *client, const char *text) {
  char problem[HF_URI_PROBLEM];
  hf_uri uri;
  if (hf_uri_parse((hf_bytes){text, strlen(text)}, &uri, problem) || !allowed(client->options, uri.host)) return NULL;
  return remember(client, text, &uri);
}

/* The reference is a list of "host" or "host:port" divided by spaces; the road and the security of the connection are
 * not up for discussion. From a unix socket it leads to TCP: there is nothing else that a host could mean. */
static const hf_server *choose(hf_client *client, const char *list, const hf_server *now) {
  bool framed = now->road == HF_ROAD_WEBSOCKET;
  const char *scheme = framed ? (now->tls ? "wss" : "ws") : now->tls ? "mqtts" : "mqtt";
  if (now->road == HF_ROAD_QUIC) scheme = "quic";
  const char *path = framed && now->path ? now->path : "";
  const char *at = list;
  while (*at) {
    size_t length = strcspn(at, " ");
    char text[LONGEST + HF_URI_PATH];
    const hf_server *server = NULL;
    int written = snprintf(text, sizeof text, "%s://%.*s%s", scheme, (int)length, at, path);
    if (length > 0 && length < LONGEST && written > 0 && (size_t)written < sizeof text) server = take(client, text);
    if (server) return server;
    at += length + strspn(at + length, " ");
  }
  return NULL;
}

static bool is_redirect(int code) {
  return code == 301 || code == 302 || code == 307 || code == 308;
}

/* Where the client is sent; NULL: nowhere, or not where it may go. An HTTP redirect may lead into TLS, never out of it.
 */
static const hf_server *destination(hf_client *client, const hf_link_down *down) {
  const hf_server *now = client->server, *there = NULL;
  bool of_mqtt = down->reason->source == HF_SOURCE_DISCONNECT || down->reason->source == HF_SOURCE_CONNACK;
  if (of_mqtt && (down->code == USE_ANOTHER_SERVER || down->code == SERVER_MOVED))
    return choose(client, down->server_reference, now);
  if (down->reason->source != HF_SOURCE_HTTP || !is_redirect(down->code)) return NULL;
  if (!now->tls || strncasecmp(down->server_reference, "wss:", 4) == 0) there = take(client, down->server_reference);
  return there;
}

static bool is_permanent(const hf_link_down *down) {
  return down->code == SERVER_MOVED || down->code == 301 || down->code == 308;
}

static bool follow(hf_client *client, const hf_link_down *down) {
  hf_reference *reference = &client->reference;
  if (!down->server_reference || reference->hops >= client->options->redirect_hops) return false;
  const hf_server *server = destination(client, down);
  if (!server) return false;
  reference->server = server;
  reference->permanent = is_permanent(down);
  reference->instead_of = client->engine.server;
  reference->resting = false;
  reference->hops++;
  return true;
}

bool hf_reference_consider(hf_client *client, const hf_link_down *down) {
  hf_reference *reference = &client->reference;
  if (down && follow(client, down)) return true;
  if (reference->server && !reference->permanent)
    reference->server = NULL;
  else if (reference->server && reference->instead_of == client->engine.server)
    reference->resting = !reference->resting && client->engine.state == HF_STATE_CONNECTING;
  return false;
}

void hf_reference_stable(hf_client *client) {
  client->reference.hops = 0;
}
