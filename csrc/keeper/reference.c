#include "keeper/reference.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/uri.h"
#include "keeper/inside.h"

enum { USE_ANOTHER_SERVER = 0x9C, SERVER_MOVED = 0x9D, LONGEST = 300 };

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
  for (size_t i = 0; i < reference->count; i++) {
    if (strcmp(reference->known[i]->text, text) == 0) return reference->known[i];
  }
  if (reference->count == HF_REFERENCES) return NULL;
  hf_server *server = hf_options_allocate(client->options, sizeof *server);
  if (!server) return NULL;
  *server = (hf_server){.text = hf_options_copy(client->options, text, strlen(text)),
                        .host = hf_options_copy(client->options, uri->host.data, uri->host.length),
                        .port = uri->port,
                        .tls = uri->tls,
                        .ipv6 = uri->ipv6};
  if (!server->text || !server->host) return NULL;
  reference->known[reference->count++] = server;
  return server;
}

/* The reference is a list of "host" or "host:port" divided by spaces; the security of the connection is not up for
 * discussion. */
static const hf_server *choose(hf_client *client, const char *list, bool tls) {
  const char *at = list;
  while (*at) {
    size_t length = strcspn(at, " ");
    char text[LONGEST], problem[HF_URI_PROBLEM];
    hf_uri uri;
    int written = snprintf(text, sizeof text, "%s://%.*s", tls ? "mqtts" : "mqtt", (int)length, at);
    hf_bytes whole = {text, (size_t)written};
    if (length > 0 && written > 0 && written < LONGEST && !hf_uri_parse(whole, &uri, problem) &&
        allowed(client->options, uri.host)) {
      const hf_server *server = remember(client, text, &uri);
      if (server) return server;
    }
    at += length + strspn(at + length, " ");
  }
  return NULL;
}

static bool follow(hf_client *client, const hf_link_down *down) {
  hf_reference *reference = &client->reference;
  bool names_one = down->reason->source == HF_SOURCE_DISCONNECT || down->reason->source == HF_SOURCE_CONNACK;
  if (!names_one || !down->server_reference) return false;
  if (down->code != USE_ANOTHER_SERVER && down->code != SERVER_MOVED) return false;
  if (reference->hops >= client->options->redirect_hops) return false;
  const hf_server *server = choose(client, down->server_reference, hf_reference_server(client)->tls);
  if (!server) return false;
  reference->server = server;
  reference->permanent = down->code == SERVER_MOVED;
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
