/* wishes.h: subscriptions: asked for, answered, asked for again after a reconnect.
 *
 * What is wished lies in the client's hf_subscriptions; here it is brought to the
 * link, and a connection is ready once none is unanswered. Also the probe, which
 * is such a question, too. For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_WISHES_H
#define HF_KEEPER_WISHES_H

#include "link/link.h"

typedef struct hf_client hf_client;

void hf_wishes_pump(hf_client *client);
void hf_wishes_answer(hf_client *client, const hf_link_answer *answer);
void hf_wishes_probe(hf_client *client);

/* The connection is down: was it for a filter? Those that are out are asked for again one at a time, and one that is
 * out a second time is refused; true: one was. */
bool hf_wishes_blame(hf_client *client, const hf_link_down *down);

/* `why` the connection has ended, and what it has left unanswered, since a broker may end it over that without a word.
 * Owned by the caller; NULL: nothing is unanswered. */
char *hf_wishes_unanswered(const hf_client *client, const char *why);

#endif
