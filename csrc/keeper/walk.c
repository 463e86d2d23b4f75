#include "keeper/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"

struct hf_walk {
  hf_walk *next;
  const char *address;               /* told apart by its place in memory: see given.h */
  char service[HF_SERVICE_HOST + 1]; /* many may share an address, and then the walk is the latest one's */
  bool tls;
  hf_service_walk walk;
};

static void begin(hf_walk *walk, const hf_server *server) {
  memset(&walk->walk, 0, sizeof walk->walk);
  snprintf(walk->service, sizeof walk->service, "%s", server->host);
  walk->tls = server->tls;
}

static hf_service_walk *find(const hf_client *client) {
  const hf_server *server = client->server;
  hf_walk *at = client->walks;
  while (at && at->address != server->text)
    at = at->next;
  if (at && (at->tls != server->tls || strcmp(at->service, server->host) != 0)) begin(at, server);
  return at ? &at->walk : NULL;
}

static hf_service_walk *make(hf_client *client) {
  hf_walk *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  made->address = client->server->text;
  begin(made, client->server);
  made->next = client->walks;
  client->walks = made;
  return &made->walk;
}

const hf_service_server *hf_walk_next(hf_client *client) {
  hf_service_walk *walk = find(client);
  return walk ? hf_service_next(walk, client->keeper->now, &client->keeper->seeds) : NULL;
}

const hf_service_server *hf_walk_learn(hf_client *client, const hf_service *answer) {
  hf_service_walk *walk = find(client);
  if (!walk) walk = make(client);
  return walk ? hf_service_learn(walk, answer, client->keeper->now, &client->keeper->seeds) : NULL;
}

void hf_walk_reached(hf_client *client) {
  hf_service_walk *walk = client->walks ? find(client) : NULL;
  if (walk) hf_service_reached(walk);
}

void hf_walk_forget(hf_client *client) {
  for (hf_walk *next; client->walks; client->walks = next) {
    next = client->walks->next;
    free(client->walks);
  }
}
