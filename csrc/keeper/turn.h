/* turn.h: a client when its time has come, and at the end of a keeper's turn.
 *
 * The earliest of its deadlines has a place in the keeper's heap; one fires a
 * turn. What has changed anything for a client has marked it (door.h), and here
 * it is put in order: what may go out does, what is to be shown is, the next
 * deadline is set. For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_TURN_H
#define HF_KEEPER_TURN_H

#include "core/heap.h"

typedef struct hf_client hf_client;

void hf_turn_settle(hf_client *client);
void hf_turn_reap(hf_client *client); /* everything of it has been handled */

#endif
