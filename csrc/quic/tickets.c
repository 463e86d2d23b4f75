#include "quic/tickets.h"

#include <stdlib.h>
#include <string.h>

#include "quic/ticket.h"

struct hf_quic_ticket_server {
  hf_quic_ticket_server *next;
  uint16_t port;
  size_t count;
  hf_bytes tickets[HF_QUIC_TICKETS]; /* the newest last */
  char host[];
};

static void empty(hf_quic_ticket_server *server) {
  for (size_t i = 0; i < server->count; i++)
    hf_quic_ticket_free(server->tickets[i]);
  server->count = 0;
}

/* Moves it to the front. */
static hf_quic_ticket_server *find(hf_quic_tickets *tickets, const char *host, uint16_t port) {
  for (hf_quic_ticket_server **at = &tickets->first; *at; at = &(*at)->next) {
    hf_quic_ticket_server *server = *at;
    if (server->port != port || strcmp(server->host, host) != 0) continue;
    *at = server->next;
    server->next = tickets->first;
    tickets->first = server;
    return server;
  }
  return NULL;
}

static void keep(hf_quic_tickets *tickets, size_t most) {
  hf_quic_ticket_server **at = &tickets->first;
  for (size_t i = 0; *at && i < most; i++)
    at = &(*at)->next;
  while (*at) {
    hf_quic_ticket_server *server = *at;
    *at = server->next;
    empty(server);
    free(server);
  }
}

static hf_quic_ticket_server *find_or_make(hf_quic_tickets *tickets, const char *host, uint16_t port) {
  hf_quic_ticket_server *server = find(tickets, host, port);
  if (server) return server;
  size_t length = strlen(host) + 1;
  server = calloc(1, sizeof *server + length);
  if (!server) return NULL;
  server->port = port;
  memcpy(server->host, host, length);
  server->next = tickets->first;
  tickets->first = server;
  keep(tickets, HF_QUIC_TICKET_SERVERS);
  return server;
}

void hf_quic_tickets_init(hf_quic_tickets *tickets) {
  tickets->first = NULL;
  pthread_mutex_init(&tickets->lock, NULL);
}

void hf_quic_tickets_clear(hf_quic_tickets *tickets) {
  keep(tickets, 0);
  pthread_mutex_destroy(&tickets->lock);
}

void hf_quic_tickets_put(hf_quic_tickets *tickets, const char *host, uint16_t port, hf_bytes packed) {
  if (!packed.data) return;
  pthread_mutex_lock(&tickets->lock);
  hf_quic_ticket_server *server = find_or_make(tickets, host, port);
  hf_bytes gone = server ? (hf_bytes){0} : packed;
  if (server && server->count == HF_QUIC_TICKETS) {
    gone = server->tickets[0];
    memmove(server->tickets, server->tickets + 1, --server->count * sizeof *server->tickets);
  }
  if (server) server->tickets[server->count++] = packed;
  pthread_mutex_unlock(&tickets->lock);
  hf_quic_ticket_free(gone);
}

static hf_bytes copy_of(hf_bytes packed) {
  char *bytes = malloc(packed.length);
  if (!bytes) return (hf_bytes){0};
  memcpy(bytes, packed.data, packed.length);
  return (hf_bytes){bytes, packed.length};
}

hf_bytes hf_quic_tickets_take(hf_quic_tickets *tickets, const char *host, uint16_t port) {
  pthread_mutex_lock(&tickets->lock);
  hf_quic_ticket_server *server = find(tickets, host, port);
  hf_bytes taken = {0};
  if (server && server->count > 1)
    taken = server->tickets[--server->count];
  else if (server && server->count == 1)
    taken = copy_of(server->tickets[0]);
  pthread_mutex_unlock(&tickets->lock);
  return taken;
}

void hf_quic_tickets_forget(hf_quic_tickets *tickets, const char *host, uint16_t port) {
  pthread_mutex_lock(&tickets->lock);
  hf_quic_ticket_server *server = find(tickets, host, port);
  if (server) empty(server);
  pthread_mutex_unlock(&tickets->lock);
}
