/* given.h: the server that the user's function has named for an attempt.
 *
 * It is the client's until the next one is named, so that what is asked for after
 * the attempt (the path of a redirect, a log's line) has it. What Lua may look at
 * later, in an event or the history, is its label alone: the address without the
 * query, which may be a signature. Labels are told apart by their place in memory
 * and live as long as the client. For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_GIVEN_H
#define HF_KEEPER_GIVEN_H

#include <stdbool.h>

#include "core/properties.h"

struct hf_client;
struct hf_server;

typedef struct hf_given_server hf_given_server;
typedef struct hf_label hf_label;

/* Whether the running attempt does not know yet where it goes. */
bool hf_given_wanted(const struct hf_client *client);

/* Of the running attempt, if it wants one. An address that Lua has looked at before; without data: nothing changes.
 * False when memory is short. */
bool hf_given_take(struct hf_client *client, hf_bytes address);

/* Where the running attempt or the one before it went, as far as is known; never NULL. */
const struct hf_server *hf_given_latest(const struct hf_client *client);

/* Likewise where one goes that begins now. */
const struct hf_server *hf_given_next(const struct hf_client *client);

void hf_given_forget(struct hf_client *client); /* at its end */

#endif
