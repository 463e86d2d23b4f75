/* door.h: the ways into a keeper, for whoever is beneath it.
 *
 * Mail gets in through the mailbox from any thread, or, from a link that lives on
 * the keeper's own, through a list that needs none. A signal is mail that is at
 * most one a client, so that it needs no memory. hf_client_dirty and
 * hf_keeper_tell are for the thread that turns the keeper, the others for any.
 */
#ifndef HF_KEEPER_DOOR_H
#define HF_KEEPER_DOOR_H

#include "keeper/command.h"

/* The sinks of links: `keeper` is an hf_keeper. They take the mail. */
void hf_keeper_deliver(void *keeper, hf_mail *mail);
void hf_keeper_tell(void *keeper, hf_mail *mail);

void hf_client_signal(hf_client *client, hf_signal_kind kind); /* as often as you like */

void hf_client_dirty(hf_client *client); /* the end of the turn sees to it */

#endif
