#include "keeper/route.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keeper/inside.h"

/* ---- no_proxy ---- */

typedef struct place { /* an address, or none */
  int family;          /* 0: it is a name */
  unsigned char bytes[16];
} place;

static place read_place(const char *text) {
  place found = {0};
  if (inet_pton(AF_INET, text, found.bytes) == 1)
    found.family = AF_INET;
  else if (inet_pton(AF_INET6, text, found.bytes) == 1)
    found.family = AF_INET6;
  return found;
}

static bool begins_alike(const place *one, const place *other, size_t bits) {
  size_t whole = bits / 8, rest = bits % 8;
  if (memcmp(one->bytes, other->bytes, whole) != 0) return false;
  return rest == 0 || (one->bytes[whole] ^ other->bytes[whole]) >> (8 - rest) == 0;
}

/* "10.0.0.0/8", "fe80::/10", or an address alone. */
static bool covers_address(char *entry, const place *host) {
  char *slash = strchr(entry, '/'), *end = "";
  if (slash) *slash = '\0';
  place net = read_place(entry);
  unsigned long most = net.family == AF_INET ? 32 : 128, bits = slash ? strtoul(slash + 1, &end, 10) : most;
  if (slash && (end == slash + 1 || *end)) return false;
  return net.family && net.family == host->family && bits <= most && begins_alike(&net, host, bits);
}

static size_t length_without_root(const char *name) {
  size_t length = strlen(name);
  return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

static bool covers_name(const char *entry, const char *host) {
  if (entry[0] == '*' && entry[1] == '.') entry++;
  if (entry[0] == '.') entry++;
  size_t wanted = length_without_root(entry), length = length_without_root(host);
  if (wanted == 0 || wanted > length || strncasecmp(host + length - wanted, entry, wanted) != 0) return false;
  return wanted == length || host[length - wanted - 1] == '.';
}

static bool covers(char *entry, const char *host, const place *address) {
  char *last = entry + strlen(entry) - 1;
  if (strcmp(entry, "*") == 0) return true;
  if (!address->family) return covers_name(entry, host);
  if (entry[0] == '[' && *last == ']') {
    *last = '\0';
    entry++;
  }
  return covers_address(entry, address);
}

bool hf_route_is_direct(const char *no_proxy, const char *host) {
  static const char between[] = ", \t";
  char entry[HF_PROXY_HOST + 1], bare[HF_PROXY_HOST + 1] = "";
  strncpy(bare, host, sizeof bare - 1);
  bare[strcspn(bare, "%")] = '\0';
  const place address = read_place(bare);
  for (const char *at = no_proxy; *(at += strspn(at, between));) {
    size_t length = strcspn(at, between);
    if (length < sizeof entry) {
      memcpy(entry, at, length);
      entry[length] = '\0';
      if (covers(entry, bare, &address)) return true;
    }
    at += length;
  }
  return false;
}

/* ---- of an attempt ---- */

static const char *host_of(const hf_client *client) {
  return client->target ? client->target->host : client->server->host;
}

const hf_proxy *hf_route_find(const hf_client *client) {
  const hf_client_options *options = client->options;
  const hf_server *server = client->server;
  bool by_tcp = server->road != HF_ROAD_UNIX && server->road != HF_ROAD_QUIC;
  if (!by_tcp || !client->operations->exact) return NULL;
  if (options->ask_proxy) return client->given_proxy;
  const hf_proxy *proxy = server->tls ? options->proxy_secure : options->proxy;
  return proxy && options->no_proxy && hf_route_is_direct(options->no_proxy, host_of(client)) ? NULL : proxy;
}

static bool is_address(const char *host) {
  return strchr(host, ':') || read_place(host).family;
}

const char *hf_route_unknown(const hf_client *client, bool *of_proxy) {
  const hf_server *server = client->server;
  const hf_proxy *proxy = client->proxy;
  bool server_too =
      server->road != HF_ROAD_UNIX && !(proxy && proxy->looks_up) && (client->target || !is_address(server->host));
  *of_proxy = false;
  if (server_too && !client->resolved) return host_of(client);
  *of_proxy = true;
  return proxy && !client->proxy_resolved && !is_address(proxy->host) ? proxy->host : NULL;
}
