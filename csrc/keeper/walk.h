/* walk.h: which server of a service an attempt goes to.
 *
 * One walk (core/service.h) for each service that a client has to do with, kept
 * from attempt to attempt and for as long as the client; the first makes it. For
 * the thread that turns the keeper.
 */
#ifndef HF_KEEPER_WALK_H
#define HF_KEEPER_WALK_H

#include "core/service.h"

struct hf_client;

typedef struct hf_walk hf_walk;

/* Of the service that the running attempt goes to; it lives until the next question. NULL: the name server must be
 * asked.
 */
const hf_service_server *hf_walk_next(struct hf_client *client);

/* It has answered. NULL: memory is short. */
const hf_service_server *hf_walk_learn(struct hf_client *client, const hf_service *answer);

void hf_walk_reached(struct hf_client *client); /* the client is connected */
void hf_walk_forget(struct hf_client *client);  /* at its end */

#endif
