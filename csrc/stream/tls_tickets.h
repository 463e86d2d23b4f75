/* tls_tickets.h: sessions with servers that may be taken up again, a few for each server.
 *
 * They belong to one context, and so to one identity: by the server alone another
 * client would be let in as this one, or a check that was off would seem passed
 * (native-rules 45 of the design). The newest comes first; each goes once, but the
 * last, of which many clients may have a copy, since a session object of TLS 1.3
 * serves only once. Not as bytes: to read the certificate in them again costs
 * more than what is saved. Not locked: the context does that.
 */
#ifndef HF_STREAM_TLS_TICKETS_H
#define HF_STREAM_TLS_TICKETS_H

#include <stddef.h>
#include <stdint.h>

#include "stream/openssl.h"

enum {
  HF_TLS_TICKETS = 4,         /* for each server */
  HF_TLS_TICKET_SERVERS = 64, /* the one that was used longest ago goes first */
  HF_TLS_TICKET_AGE = 604800, /* seconds; what RFC 8446 section 4.6.1 allows at most */
};

typedef struct hf_tls_ticket {
  SSL_SESSION *session; /* a reference */
  int64_t expires;      /* ms, on the clock of `now` */
} hf_tls_ticket;

typedef struct hf_tls_server {
  struct hf_tls_server *next; /* in the order of their use */
  uint16_t port;
  size_t count;
  hf_tls_ticket tickets[HF_TLS_TICKETS]; /* the newest last */
  char host[];
} hf_tls_server;

typedef struct hf_tls_tickets {
  hf_tls_server *first;
} hf_tls_tickets;

void hf_tls_tickets_free(hf_tls_tickets *tickets);

/* Kept until the server's hint, a week, the end of its certificate or `end`, whichever comes first. Without memory it
 * is forgotten, which costs a whole handshake. */
void hf_tls_tickets_put(hf_tls_tickets *tickets, const char *host, uint16_t port, SSL_SESSION *session, int64_t now,
                        int64_t end);

/* To be freed with SSL_SESSION_free; NULL: there is none. */
SSL_SESSION *hf_tls_tickets_take(hf_tls_tickets *tickets, const char *host, uint16_t port, int64_t now);

void hf_tls_tickets_forget(hf_tls_tickets *tickets, const char *host, uint16_t port);

#endif
