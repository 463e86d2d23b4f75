/* keeper.h: the one thread that owns every connection, and the same thing without a thread for specs.
 *
 * hf_keeper_shared starts the process's keeper at first use; it stays until the
 * process ends and costs nothing while idle. All that happens, happens in
 * hf_keeper_turn: take the inbox, step the clients, fire what is due. A spec
 * makes a keeper of its own over a scripted link and turns it by hand on a
 * virtual clock. Only the thread that turns a keeper may touch what it owns.
 */
#ifndef HF_KEEPER_KEEPER_H
#define HF_KEEPER_KEEPER_H

#include "core/heap.h"
#include "keeper/client.h"
#include "link/link.h"
#include "sys/errand.h"
#include "sys/mailbox.h"

/* NULL when it cannot be started, or in a child of fork(). */
hf_keeper *hf_keeper_shared(void);

/* What is done off the keeper's path, as resolver.h, finder.h, trust.h, knock.h and look.h describe it, or a script's
 * own way. NULL: not at all. */
typedef struct hf_keeper_means {
  bool (*resolve)(hf_mailbox *inbox, hf_client *client, uint32_t generation, const char *host);
  bool (*find)(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server);
  bool (*trust)(hf_mailbox *inbox, hf_client *client, uint32_t generation);
  bool (*knock)(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server);
  bool (*diagnose)(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server,
                   int64_t deadline);
  bool (*run)(hf_errand *errand); /* what waits for a disk; NULL: in place */
} hf_keeper_means;

typedef struct hf_keeper_links { /* by which way a client of each transport goes */
  const hf_link_operations *of[HF_TRANSPORTS];
} hf_keeper_links;

/* `pollset`: what links of its own thread wait with, the keeper's from now on, gone with it where it cannot be made;
 * NULL: there are none. */
hf_keeper *hf_keeper_new(hf_keeper_links links, hf_keeper_means means, hf_pollset *pollset, uint64_t seed);
void hf_keeper_free(hf_keeper *keeper); /* closes nothing: for a keeper whose clients are gone */

/* Does everything that is to be done at `now` and returns when it wants to be turned again if no mail comes before:
 * a time, or INT64_MAX. */
int64_t hf_keeper_turn(hf_keeper *keeper, int64_t now);

/* Bounds the attempts of all its clients together; 0: no bound. `ask`: HF_EVENT_TURN asks Lua about each attempt, and
 * the bound holds only while Lua does not answer. Any thread; false when memory is short. */
bool hf_keeper_limit(hf_keeper *keeper, double per_second, uint32_t burst, bool ask);

/* The system says that the network has changed: clients that want to know are told a little later, since such news
 * come in swarms. `gained`: it is worth trying to connect. For the thread that turns the keeper. */
void hf_keeper_network_changed(hf_keeper *keeper, bool gained, int64_t now);
bool hf_keeper_watches_network(const hf_keeper *keeper);

/* Somebody has set the wall clock: clients to whom a certificate was not valid yet, or not any more, try at once in the
 * next turn. For the thread that turns the keeper. */
void hf_keeper_clock_set(hf_keeper *keeper);
bool hf_keeper_watches_clock(const hf_keeper *keeper);

hf_mailbox *hf_keeper_inbox(hf_keeper *keeper);

#endif
