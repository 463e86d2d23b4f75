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

#include "core/gate.h"
#include "keeper/look.h"
#include "keeper/verdicts.h"

typedef struct hf_diagnosis {
  hf_link_down held; /* reason NULL: nothing is held back */
  hf_verdicts verdicts;
  int64_t look_at; /* when its turn in the line is, or it can be tried again */
} hf_diagnosis;

/* A FAILED has come. It is held back until it is let go, which is an input of the way to an attempt, or it is none
 * (HF_GATE_WAITS), and its reason may be another one now. */
hf_gate_input hf_diagnosis_takes(hf_client *client, hf_link_down *down);

bool hf_diagnosis_due(hf_client *client); /* whether its turn in the line is now; else HF_DUE_TURN fires */

/* False when it cannot be tried now: HF_DUE_TURN fires. `server` NULL: at the files. */
bool hf_diagnosis_look(hf_client *client, const hf_server *server);

void hf_diagnosis_found(hf_client *client, const hf_diagnosed *answer); /* to what is held back */
hf_link_down hf_diagnosis_let_go(hf_client *client);                    /* whose texts the caller owns */
void hf_diagnosis_drop(hf_client *client); /* the attempt is over, and nobody wants to know */
void hf_diagnosis_over(hf_client *client); /* the outage is */

#endif
