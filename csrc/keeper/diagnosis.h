/* diagnosis.h: a TLS failure that the link cannot name is looked into before it is told.
 *
 * The first such failure of an outage is held back while an errand shakes hands
 * with the server once more (look.h), so that event, history and policy have the
 * true reason from the first attempt on: a policy of "stop" on a wrong host name
 * stops there and then. What was found (verdicts.h) holds until there is a
 * connection again, or the user calls wake or reconnect; each server of a client
 * is looked into once an outage. The look takes a token of the process's budget
 * and never longer than the attempt may last; without an answer the failure is
 * told as the link named it.
 *
 * A file of ours that the link could not use is named in the same way, without a
 * connection and so without a token, each time; so is one that the link took for a
 * server out of reach.
 *
 * For the thread that turns the keeper. The client owns what is held back.
 */
#ifndef HF_KEEPER_DIAGNOSIS_H
#define HF_KEEPER_DIAGNOSIS_H

#include "keeper/look.h"
#include "keeper/verdicts.h"

typedef struct hf_diagnosis {
  hf_link_down held; /* reason NULL: nothing is held back */
  hf_verdicts verdicts;
} hf_diagnosis;

/* A FAILED has come. True: it is held back until it is let go. False: tell it; its reason may be another one now. */
bool hf_diagnosis_takes(hf_client *client, hf_link_down *down);
bool hf_diagnosis_holds(const hf_client *client);                        /* a failure that is held back */
bool hf_diagnosis_answer(hf_client *client, const hf_diagnosed *answer); /* true: it may be let go */
hf_link_down hf_diagnosis_let_go(hf_client *client);                     /* whose texts the caller owns */
void hf_diagnosis_turn(hf_client *client);                               /* its turn in the line has come */
void hf_diagnosis_drop(hf_client *client); /* the attempt is over, and nobody wants to know */
void hf_diagnosis_over(hf_client *client); /* the outage is */

#endif
