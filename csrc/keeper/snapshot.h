/* snapshot.h: what `status`, `history` and `metrics` show, published by the keeper for any thread.
 *
 * Counters are atomic and any thread's; the snapshot and the records lie under the
 * client's lock, a leaf. The other functions are for the thread that turns the
 * keeper.
 */
#ifndef HF_KEEPER_SNAPSHOT_H
#define HF_KEEPER_SNAPSHOT_H

#include <stdatomic.h>
#include <stddef.h>

#include "core/phase.h"
#include "keeper/client.h"

typedef struct hf_shared_counters {
#define COUNTER(name) atomic_uint_fast64_t name;
  HF_COUNTERS(COUNTER)
#undef COUNTER
} hf_shared_counters;

extern hf_shared_counters hf_totals;
extern atomic_size_t hf_client_total;  /* not gone */
extern atomic_size_t hf_client_living; /* in memory, for specs */

void hf_count(hf_client *client, size_t counter, uint64_t amount); /* offsetof in hf_shared_counters */
void hf_count_drop(hf_client *client, const hf_publish *publish);  /* that it is not delivered, and why */
#define HF_COUNT(client, name, amount) hf_count((client), offsetof(hf_shared_counters, name), (amount))

void hf_snapshot_publish(hf_client *client);
void hf_snapshot_path(hf_client *client); /* of the connection that is up */
void hf_snapshot_attempt(hf_client *client);
void hf_snapshot_attempt_server(hf_client *client); /* it knows now where it goes */
void hf_snapshot_attempt_beside(hf_client *client, const char *server, const hf_stream_rival *rival); /* lost to it */
void hf_snapshot_attempt_phase(hf_client *client, hf_phase phase); /* how far it got, if further than known */
void hf_snapshot_connect(hf_client *client);
void hf_snapshot_failure(hf_client *client);       /* of an attempt, for the engine's reason */
void hf_snapshot_loss(hf_client *client);          /* of a connection, likewise */
void hf_snapshot_attempt_ended(hf_client *client); /* or waits in another way than was chosen first */

#endif
