#include "stream/tls_tickets.h"

#include <stdlib.h>
#include <string.h>

static void drop(hf_tls_ticket *ticket) {
  SSL_SESSION_free(ticket->session); /* which wipes it */
  *ticket = (hf_tls_ticket){0};
}

static void empty(hf_tls_server *server) {
  for (size_t i = 0; i < server->count; i++)
    drop(&server->tickets[i]);
  server->count = 0;
}

/* Takes the oldest, or the one at `index`, out of its row. */
static void close_gap(hf_tls_server *server, size_t index) {
  memmove(server->tickets + index, server->tickets + index + 1, (server->count - index - 1) * sizeof *server->tickets);
  server->tickets[--server->count] = (hf_tls_ticket){0};
}

static void expire(hf_tls_server *server, int64_t now) {
  for (size_t i = server->count; i-- > 0;)
    if (server->tickets[i].expires <= now) {
      drop(&server->tickets[i]);
      close_gap(server, i);
    }
}

/* Moves it to the front. */
static hf_tls_server *find(hf_tls_tickets *tickets, const char *host, uint16_t port) {
  for (hf_tls_server **at = &tickets->first; *at; at = &(*at)->next) {
    hf_tls_server *server = *at;
    if (server->port != port || strcmp(server->host, host) != 0) continue;
    *at = server->next;
    server->next = tickets->first;
    tickets->first = server;
    return server;
  }
  return NULL;
}

static void keep_few(hf_tls_tickets *tickets) {
  hf_tls_server **at = &tickets->first;
  for (size_t i = 0; *at && i < HF_TLS_TICKET_SERVERS; i++)
    at = &(*at)->next;
  while (*at) {
    hf_tls_server *server = *at;
    *at = server->next;
    empty(server);
    free(server);
  }
}

static hf_tls_server *find_or_make(hf_tls_tickets *tickets, const char *host, uint16_t port) {
  hf_tls_server *server = find(tickets, host, port);
  if (server) return server;
  size_t length = strlen(host) + 1;
  server = calloc(1, sizeof *server + length);
  if (!server) return NULL;
  server->port = port;
  memcpy(server->host, host, length);
  server->next = tickets->first;
  tickets->first = server;
  keep_few(tickets);
  return server;
}

void hf_tls_tickets_free(hf_tls_tickets *tickets) {
  while (tickets->first) {
    hf_tls_server *server = tickets->first;
    tickets->first = server->next;
    empty(server);
    free(server);
  }
}

/* Seconds; 0: not at all. A hint of 0 is "do not" in TLS 1.3 and "I do not say" before. */
static int64_t life_of(SSL_SESSION *session) {
  int64_t life = (int64_t)SSL_SESSION_get_ticket_lifetime_hint(session);
  int days, seconds;
  if (life == 0 && SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION) life = SSL_SESSION_get_timeout(session);
  if (life > HF_TLS_TICKET_AGE) life = HF_TLS_TICKET_AGE;
  X509 *certificate = SSL_SESSION_get0_peer(session);
  if (certificate && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) == 1) {
    int64_t left = (int64_t)days * 86400 + seconds;
    if (life > left) life = left;
  }
  return life;
}

void hf_tls_tickets_put(hf_tls_tickets *tickets, const char *host, uint16_t port, SSL_SESSION *session, int64_t now,
                        int64_t end) {
  int64_t life = SSL_SESSION_is_resumable(session) ? life_of(session) : 0;
  if (life > (end - now) / 1000) life = (end - now) / 1000;
  hf_tls_server *server = life > 0 ? find_or_make(tickets, host, port) : NULL;
  if (!server) return;
  if (server->count == HF_TLS_TICKETS) {
    drop(&server->tickets[0]);
    close_gap(server, 0);
  }
  SSL_SESSION_up_ref(session);
  server->tickets[server->count++] = (hf_tls_ticket){.session = session, .expires = now + life * 1000};
}

SSL_SESSION *hf_tls_tickets_take(hf_tls_tickets *tickets, const char *host, uint16_t port, int64_t now) {
  hf_tls_server *server = find(tickets, host, port);
  if (!server) return NULL;
  expire(server, now);
  if (server->count == 0) return NULL;
  hf_tls_ticket *newest = &server->tickets[server->count - 1];
  SSL_SESSION *session = newest->session;
  if (server->count == 1) return SSL_SESSION_dup(session);
  *newest = (hf_tls_ticket){0};
  server->count--;
  return session;
}

void hf_tls_tickets_forget(hf_tls_tickets *tickets, const char *host, uint16_t port) {
  hf_tls_server *server = find(tickets, host, port);
  if (server) empty(server);
}
