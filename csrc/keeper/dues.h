/* dues.h: what one turn has to give back, which is given back at its end.
 *
 * What another thread counts as well costs as much for a thousand messages as
 * for one. Embedded in the client; for the thread that turns the keeper, but for
 * hf_dues_credit. Paid before Lua is told anything, so that it finds done what it
 * hears of.
 */
#ifndef HF_KEEPER_DUES_H
#define HF_KEEPER_DUES_H

#include <stddef.h>
#include <stdint.h>

#include "keeper/client.h"

typedef struct hf_dues {
  size_t messages, bytes;   /* of the queue */
  uint64_t sent, delivered; /* to be counted */
  unsigned references;
} hf_dues;

void hf_dues_pay(hf_client *client);

/* So much room in the queue is free again; whoever was refused meanwhile hears of it. Any thread, as the two below. */
void hf_dues_credit(hf_client *client, size_t messages, size_t bytes);
void hf_dues_give_back(hf_client *client, size_t messages, size_t bytes); /* the same, and nobody hears of it */
void hf_dues_tell_room(hf_client *client);

#endif
