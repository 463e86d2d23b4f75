/* proof.h: the second word of SCRAM, computed off the keeper's path (stream/scram.h).
 *
 * The answer is a mail to the keeper's inbox, which belongs to the keeper and
 * holds a reference to its client. For the keeper's thread; never blocks.
 */
#ifndef HF_KEEPER_PROOF_H
#define HF_KEEPER_PROOF_H

#include "keeper/question.h"
#include "stream/scram.h"

typedef struct hf_proof { /* HF_COMMAND_PROVED */
  hf_question question;
  const char *problem; /* static; NULL: there are words */
  hf_scram_words words;
  char nonce[HF_SCRAM_NONCE];
  unsigned char binding[HF_SCRAM_BINDING];
  size_t length;
  char said[]; /* by the broker, and a NUL */
} hf_proof;

/* To what the broker has said to the client's nonce. The answer will carry `generation`. False when there is no memory
 * or no thread to be had. */
bool hf_proof_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_link_auth *said);

void hf_proof_free(hf_proof *proof);

#endif
