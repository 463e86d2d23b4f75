/* message_block.h: many messages in one block of memory.
 *
 * What comes in one read is made into messages one after the other, handed on
 * together and let go in the same order, so one allocation serves many. The
 * block ends with the last of its messages, or when it is closed if they have
 * gone by then; each may be freed on any thread (hf_message_free). Until it is
 * closed it belongs to who has made it, who alone may add to it.
 */
#ifndef HF_CORE_MESSAGE_BLOCK_H
#define HF_CORE_MESSAGE_BLOCK_H

#include "core/message.h"

hf_message_block *hf_message_block_new(size_t room); /* bytes for messages; NULL when memory is short */
void hf_message_block_close(hf_message_block *block);

/* Copies everything, but for a topic like that of the message before, which both share; NULL when there is no room. */
hf_message *hf_message_block_add(hf_message_block *block, hf_bytes topic, hf_bytes payload,
                                 const hf_properties *properties);

/* The message, or in its place a copy that shares no block, unless memory is short. */
hf_message *hf_message_by_itself(hf_message *message);

/* Frees so many, linked by their mails, each block of them in one step; answers the mail behind them. Any thread. */
hf_mail *hf_message_free_run(hf_message *message, unsigned count);

void hf_message_block_release(hf_message_block *block); /* one of its messages is gone */

#endif
