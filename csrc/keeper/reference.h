/* reference.h: where a client connects to, when a broker has sent it elsewhere (MQTT 5 section 4.11).
 *
 * A server reference is followed only if it is on the user's allow-list, and
 * only so many times in a row. "Use another server" holds for as long as the
 * connection there lasts; "server moved" takes the place of the server that said
 * so for the rest of the client's life, with the old address as the way back.
 * Servers made here belong to the client's options and live as long. For the
 * thread that turns the keeper.
 */
#ifndef HF_KEEPER_REFERENCE_H
#define HF_KEEPER_REFERENCE_H

#include "keeper/options.h"
#include "link/link.h"

typedef struct hf_client hf_client;

enum { HF_REFERENCES = 16 /* different ones that a client remembers; a broker could name new ones for ever */ };

typedef struct hf_known_server hf_known_server;

typedef struct hf_reference {
  hf_known_server *known; /* the latest first */
  size_t count;
  const hf_server *server; /* in force; NULL: none */
  uint16_t instead_of;     /* "moved": position in the options */
  uint8_t hops;            /* followed since the last stable connection */
  bool permanent;
  bool resting; /* "moved": it has failed, the old address has a turn */
} hf_reference;

/* Where the next attempt goes, or the running one went. */
const hf_server *hf_reference_server(const hf_client *client);

/* What a failure or a loss means for the reference in force; before the engine is told. True when there is a new one to
 * follow. */
bool hf_reference_consider(hf_client *client, const hf_link_down *down);

/* The connection has stood for a while: the hops are forgotten. */
void hf_reference_stable(hf_client *client);

#endif
