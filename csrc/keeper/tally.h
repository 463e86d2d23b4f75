/* tally.h: what has happened in this process since its start, by its cause: for `metrics`.
 *
 * All of it is static and lives as long as the process; whoever counts adds to an
 * atomic of its own and waits for nobody. They are relaxed: each number is exact,
 * and two that are read one after the other may be a moment apart. The time
 * without a connection is made of several numbers which belong together: they are
 * written by the thread that turns the keeper alone, between two steps of a
 * sequence number, and read again while it has moved meanwhile. The other
 * functions may be called by any thread.
 */
#ifndef HF_KEEPER_TALLY_H
#define HF_KEEPER_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/reason.h"
#include "keeper/client.h"

/* An attempt has failed, or a connection has ended, for this reason. */
void hf_tally_failure(const hf_reason *reason);
void hf_tally_loss(const hf_reason *reason);

/* A message that was accepted is not delivered; `flags` of its hf_publish. */
void hf_tally_drop(uint32_t flags);

/* Some messages were handed to Lua so long (us) after the keeper had them. */
void hf_tally_dispatch(int64_t waited, unsigned messages);

/* A client that is to be connected is not, since then (ms); or no longer, from now on: for how long it was. */
void hf_tally_outage(int64_t since);
int64_t hf_tally_outage_over(int64_t since);

#endif
