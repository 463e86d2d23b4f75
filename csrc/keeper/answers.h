/* answers.h: what the link tells.
 *
 * The mail of links and of diagnoses becomes inputs of the engine, outcomes and
 * messages. For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_ANSWERS_H
#define HF_KEEPER_ANSWERS_H

#include "keeper/look.h"

void hf_answers_mail(hf_client *client, hf_mail *mail); /* takes it; not a message */

/* Takes a message, and those of the same client that follow it; answers what is behind them. `count` is more by so
 * many.
 */
hf_mail *hf_answers_messages(hf_client *client, hf_mail *mail, size_t *count);

void hf_answers_diagnosed(hf_client *client, const hf_diagnosed *answer);
void hf_answers_let_go(hf_client *client); /* the failure that was held back for a diagnosis is told */

#endif
