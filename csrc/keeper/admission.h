/* admission.h: how much may be queued, and how much is.
 *
 * Atomic credits: taken by the thread that posts, given back by whichever learns
 * the outcome, so that a post is answered on the spot. Any thread.
 */
#ifndef HF_KEEPER_ADMISSION_H
#define HF_KEEPER_ADMISSION_H

#include "keeper/client.h"

/* The outcome of a publish is known: gives back its room in the queue, at once or when Lua takes the outcome. Returns
 * the mail that tells it, or NULL when nobody is told, and the publish has been freed. */
hf_publish *hf_client_outcome(hf_client *client, hf_publish *publish, bool tell);

#endif
