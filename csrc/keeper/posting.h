/* posting.h: messages that are posted one after the other, and cross to the keeper together.
 *
 * A message goes into the block that the one before went into, as long as the
 * keeper has not got it yet and the client has asked for nothing else meanwhile:
 * what it asks for is done in the order in which it asked. Embedded in the client;
 * for whichever thread posts, one at a time.
 */
#ifndef HF_KEEPER_POSTING_H
#define HF_KEEPER_POSTING_H

#include <stddef.h>

#include "core/publish_block.h"
#include "keeper/client.h"

typedef struct hf_posting {
  hf_publish_block *block; /* where the next one may go to; NULL: a new one */
  size_t room;             /* bytes of a block: as many as were of use lately */
  int64_t ttl;             /* of all that are in it: one that outlives the others would keep the room of them all */
} hf_posting;

uint64_t hf_posting_id(hf_client *client); /* of a message that is posted now */

bool hf_posting_suits(const hf_post *post); /* it may go into a block */

/* Has it on its way to the keeper, under the next id. False when memory is short. */
bool hf_posting_add(hf_client *client, const hf_post *post, size_t weight, uint64_t *id);

/* Something else is about to be asked for: nothing goes in front of that. */
void hf_posting_over(hf_client *client);

#endif
