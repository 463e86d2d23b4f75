/* publish_block.h: many messages on their way out, in one block of memory that crosses threads as one mail.
 *
 * One thread writes messages one behind the other while the block is on its way
 * already; the other one seals it when it gets there, and takes what was in it by
 * then. What comes after that is refused, and begins a new block. So a message is
 * with its reader as soon as it has been added, and a thousand cost one mail.
 * The writer holds the block until it closes it; each message holds it until it
 * is freed, on any thread (hf_publish_free).
 */
#ifndef HF_CORE_PUBLISH_BLOCK_H
#define HF_CORE_PUBLISH_BLOCK_H

#include "core/message.h"

typedef struct hf_publish_block hf_publish_block;

/* ---- the writer ---- */

hf_publish_block *hf_publish_block_new(size_t room); /* bytes for messages; NULL when memory is short */
hf_mail *hf_publish_block_mail(hf_publish_block *block);

/* Copies both into the block, but for a topic like that of the message before, which both share. It is the reader's
 * once hf_publish_block_commit says so, before the next is put there. NULL: there is no room, or the block is sealed.
 */
hf_publish *hf_publish_block_put(hf_publish_block *block, hf_bytes topic, hf_bytes payload);
bool hf_publish_block_commit(hf_publish_block *block,
                             hf_publish *publish); /* false: it is sealed, and has not got it */

bool hf_publish_block_sealed(const hf_publish_block *block); /* by now */
void hf_publish_block_close(hf_publish_block *block);        /* nothing more comes; NULL: nothing */

/* ---- the reader ---- */

/* How many there are, once and for all. The first of them is asked for before, the next one before the one in front of
 * it is freed. */
unsigned hf_publish_block_seal(hf_publish_block *block);
hf_publish *hf_publish_block_first(hf_publish_block *block);
hf_publish *hf_publish_block_next(hf_publish *publish);

hf_publish_block *hf_publish_block_of(hf_mail *mail);
void hf_publish_block_discard(hf_publish_block *block); /* seals it, and frees what is in it */

void hf_publish_block_release(hf_publish_block *block, unsigned count); /* so many of its messages are gone */

#endif
