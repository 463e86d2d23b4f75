/* attempt.h: from the wish to connect to the link's `open`.
 *
 * An attempt passes gates: the connection before must have ended, the budget have
 * a place for it, credentials, addresses and what TLS needs be gathered. Each
 * answer that it waits for takes it on to the next gate. Whatever takes it on may
 * be its end, before there is any link that could tell: that is returned, and
 * whoever steps the engine tells it (driver.h). For the thread that turns the
 * keeper.
 */
#ifndef HF_KEEPER_ATTEMPT_H
#define HF_KEEPER_ATTEMPT_H

#include "keeper/inside.h"

typedef struct hf_failure {
  const hf_reason *reason; /* NULL: there is none, and the attempt goes on */
  const char *text;        /* lives as long as what it was an answer to; NULL: none */
} hf_failure;

hf_failure hf_attempt_begin(hf_client *client);
hf_failure hf_attempt_left(hf_client *client); /* the connection before has ended at last */
hf_failure hf_attempt_turn(hf_client *client); /* its turn in the line has come */
hf_failure hf_attempt_place(hf_client *client, const hf_command *answer);
hf_failure hf_attempt_line_up_again(hf_client *client); /* the budget has been changed */
hf_failure hf_attempt_credentials(hf_client *client, const hf_command *answer);
hf_failure hf_attempt_resolved(hf_client *client, hf_resolved *answer); /* takes it */
hf_failure hf_attempt_trusted(hf_client *client, hf_trusted *answer);   /* may take its context */

void hf_attempt_leave_line(hf_client *client);
void hf_attempt_forget(hf_client *client); /* what was gathered for it */

#endif
