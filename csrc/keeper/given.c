#define _DEFAULT_SOURCE
#include "keeper/given.h"

#include <stdlib.h>
#include <string.h>

#include "core/uri.h"
#include "keeper/inside.h"

enum { LABELS = 100 /* different ones that a client remembers; a function may name new servers for ever */ };

struct hf_label {
  hf_label *next;
  size_t number; /* from 1 on */
  char text[];
};

struct hf_given_server {
  hf_server server;
  size_t length;
  hf_uri uri; /* points into the text, or itself */
  char text[];
};

static const char *label_of(hf_client *client, const char *text) {
  size_t length = strcspn(text, "?");
  for (const hf_label *known = client->labels; known; known = known->next)
    if (strncmp(known->text, text, length) == 0 && known->text[length] == '\0') return known->text;
  size_t number = client->labels ? client->labels->number : 0;
  if (number == LABELS) return "one of more than 100 servers";
  hf_label *made = hf_options_allocate(client->options, sizeof *made + length + 1);
  if (!made) return NULL;
  memcpy(made->text, text, length);
  *made = (hf_label){.next = client->labels, .number = number + 1};
  client->labels = made;
  return made->text;
}

static bool is_asked_for(const hf_client *client, const hf_server *server) {
  return client->options->ask_server && server == &client->options->servers[0];
}

bool hf_given_wanted(const hf_client *client) {
  return is_asked_for(client, client->server);
}

void hf_given_forget(hf_client *client) {
  hf_given_server *given = client->given_server;
  if (given) explicit_bzero(given->text, given->length);
  free(given);
  client->given_server = NULL;
}

static char *copy(char **at, hf_bytes from) {
  char *begin = *at;
  memcpy(begin, from.data, from.length);
  begin[from.length] = '\0';
  *at += from.length + 1;
  return begin;
}

bool hf_given_take(hf_client *client, hf_bytes address) {
  char problem[HF_URI_PROBLEM];
  if (!address.data || !hf_given_wanted(client)) return true;
  size_t length = 3 * (address.length + 1); /* the whole, its host and its path, each with an end */
  hf_given_server *given = calloc(1, sizeof *given + length);
  if (!given) return false;
  given->length = length;
  char *at = given->text, *text = copy(&at, address);
  const char *label = label_of(client, text);
  const hf_uri *uri = &given->uri;
  if (!label || hf_uri_parse((hf_bytes){text, address.length}, &given->uri, problem)) {
    free(given);
    return false;
  }
  given->server = (hf_server){.text = label,
                              .host = copy(&at, uri->host),
                              .path = uri->path.data ? copy(&at, uri->path) : NULL,
                              .road = uri->road,
                              .port = uri->port,
                              .tls = uri->tls,
                              .ipv6 = uri->ipv6,
                              .service = uri->service};
  hf_given_forget(client);
  client->given_server = given;
  client->server = &given->server;
  return true;
}

const hf_server *hf_given_latest(const hf_client *client) {
  const hf_server *server = hf_reference_server(client);
  return client->given_server && is_asked_for(client, server) ? &client->given_server->server : server;
}

const hf_server *hf_given_next(const hf_client *client) {
  return client->renewing ? hf_given_latest(client) : hf_reference_server(client);
}
