/* attempt.h: from the wish to connect to the link's `open`.
 *
 * An attempt passes the gates of core/gate.h: the connection before must have
 * ended, the budget have a place for it, credentials, addresses and what TLS needs
 * be gathered. Each answer that it waits for takes it on to the next gate. Whatever
 * takes it on may be its end, before there is any link that could tell: that is
 * returned, and whoever steps the engine tells it (driver.h). For the thread that
 * turns the keeper.
 */
#ifndef HF_KEEPER_ATTEMPT_H
#define HF_KEEPER_ATTEMPT_H

#include "keeper/gates.h"

hf_failure hf_attempt_begin(hf_client *client);
hf_failure hf_attempt_left(hf_client *client); /* the connection before has ended at last */
hf_failure hf_attempt_turn(hf_client *client); /* HF_DUE_TURN is over */
hf_failure hf_attempt_place(hf_client *client, const hf_command *answer);
hf_failure hf_attempt_line_up_again(hf_client *client); /* the budget has been changed */
hf_failure hf_attempt_credentials(hf_client *client, const hf_command *answer);
hf_failure hf_attempt_resolved(hf_client *client, hf_resolved *answer); /* takes it */
hf_failure hf_attempt_found(hf_client *client, const hf_found *answer);
hf_failure hf_attempt_trusted(hf_client *client, hf_trusted *answer); /* may take its context */

/* The link has failed. True: that is held back for a diagnosis (diagnosis.h). False: tell it; its reason may be another
 * one now. */
bool hf_attempt_holds_back(hf_client *client, hf_link_down *down);
bool hf_attempt_diagnosed(hf_client *client, const hf_diagnosed *answer); /* true: what is held back goes its way */

/* Its time is over. HF_GATE_TELLS: what is held back goes its way; HF_GATE_FAILS: there were no credentials; 0: the
 * engine has it. */
unsigned hf_attempt_overdue(hf_client *client);

void hf_attempt_abandon(hf_client *client); /* nobody wants to know any more */
void hf_attempt_forget(hf_client *client);  /* what was gathered for it */

#endif
