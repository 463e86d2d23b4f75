/* question.h: what is asked for a client off the keeper's path, and the answer, in one block.
 *
 * A question begins with an hf_question and has room for its answer. While it is
 * on an errand (sys/errand.h) it holds its client and the keeper's inbox; then
 * it goes there as a mail and belongs to the keeper, which frees it with free().
 * Made on the keeper's thread, answered on one of the errands'.
 */
#ifndef HF_KEEPER_QUESTION_H
#define HF_KEEPER_QUESTION_H

#include "keeper/client.h"
#include "sys/errand.h"
#include "sys/mailbox.h"

typedef struct hf_question {
  hf_mail mail; /* owner: the client, a reference */
  hf_errand errand;
  hf_mailbox *inbox; /* a reference until it is answered */
} hf_question;

/* A block of zeros of that size, of such a command; NULL when memory is short. */
void *hf_question_new(size_t size, hf_mailbox *inbox, hf_client *client, uint32_t generation, unsigned command);

/* False when no thread is to be had: it has been freed. */
bool hf_question_ask(hf_question *question);

void hf_question_answer(hf_question *question);

hf_question *hf_question_of(const hf_errand *errand);

#endif
