/* keeping.h: a client's store; without one these do nothing.
 *
 * What is accepted goes in before `post` returns; all else that the store is asked
 * to write or wait for is an errand, which holds the client: the keeper's thread
 * never waits for it. The first two are for the thread that makes the client and
 * posts, the others for the one that turns the keeper.
 */
#ifndef HF_KEEPER_KEEPING_H
#define HF_KEEPER_KEEPING_H

#include "keeper/client.h"

typedef struct hf_keeping hf_keeping;

bool hf_keeping_begin(hf_client *client, hf_store_problem *problem);  /* posts again what is kept; false: `problem` */
bool hf_keeping_append(hf_client *client, const hf_publish *publish); /* false: it is not kept, so it is not accepted */

void hf_keeping_resume(hf_client *client); /* the link is new, and learns what the session may still know */
void hf_keeping_over(hf_client *client, hf_publish *publish); /* its outcome is known; sets HF_PUBLISH_KEPT */
bool hf_keeping_holds_back(const hf_client *client, const hf_publish *publish); /* what cannot be written is not sent */
void hf_keeping_settle(hf_client *client);                                      /* at the end of a turn */
void hf_keeping_committed(hf_client *client);
void hf_keeping_tended(hf_client *client);
bool hf_keeping_end(hf_client *client); /* false: it is being closed, and HF_SIGNAL_REAP comes once more */

#endif
