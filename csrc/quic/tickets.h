/* tickets.h: what connections have left for the next ones to the same servers, a few for each.
 *
 * They belong to one hf_quic_half, and so to one identity (native-rules 45 of the
 * design): another certificate, authority, pin or list of what is revoked has
 * others, and so has a file of these that has changed. The newest comes first;
 * each goes once, but the last, of which many clients may have a copy. Under a
 * lock of their own; any thread. Wiped when they go.
 */
#ifndef HF_QUIC_TICKETS_H
#define HF_QUIC_TICKETS_H

#include <pthread.h>
#include <stdint.h>

#include "core/properties.h"

enum {
  HF_QUIC_TICKETS = 4,        /* for each server */
  HF_QUIC_TICKET_SERVERS = 64 /* the one that was used longest ago goes first */
};

typedef struct hf_quic_ticket_server hf_quic_ticket_server;

typedef struct hf_quic_tickets {
  pthread_mutex_t lock;
  hf_quic_ticket_server *first; /* in the order of their use */
} hf_quic_tickets;

void hf_quic_tickets_init(hf_quic_tickets *tickets);
void hf_quic_tickets_clear(hf_quic_tickets *tickets);

/* Takes the bytes of hf_quic_ticket_pack. Without memory they are let go, which costs a whole handshake. */
void hf_quic_tickets_put(hf_quic_tickets *tickets, const char *host, uint16_t port, hf_bytes packed);

/* The caller's; data NULL: there is none. */
hf_bytes hf_quic_tickets_take(hf_quic_tickets *tickets, const char *host, uint16_t port);

void hf_quic_tickets_forget(hf_quic_tickets *tickets, const char *host, uint16_t port);

#endif
