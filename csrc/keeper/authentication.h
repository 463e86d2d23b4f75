/* authentication.h: enhanced authentication (MQTT 5 section 4.12), between the link, which carries the words, and who
 * knows what to say: the user's functions, or SCRAM.
 *
 * What ends the attempt, or the connection, is returned, and whoever steps the
 * engine tells it. For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_AUTHENTICATION_H
#define HF_KEEPER_AUTHENTICATION_H

#include "keeper/gates.h"
#include "keeper/proof.h"

/* SCRAM's first word for this attempt, among what is given for it. False when memory is short. */
bool hf_authentication_begin(hf_client *client);

hf_failure hf_authentication_asked(hf_client *client, const hf_link_auth *asked);   /* the broker has said this */
hf_failure hf_authentication_answered(hf_client *client, const hf_command *answer); /* by the user's function */
hf_failure hf_authentication_proved(hf_client *client, const hf_proof *proof);

/* Once more, on a connection that is up. The first word of a function is in the command. */
void hf_authentication_anew(hf_client *client, hf_command *command);

/* What was under way on the connection, if anything was. */
void hf_authentication_over(hf_client *client, hf_authenticated how);

#endif
