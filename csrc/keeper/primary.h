/* primary.h: back to the server of first choice, without trading a connection that works for one that may not.
 *
 * While a client is connected to another server it knocks at the first of its
 * list every now and then, and goes back once that has opened twice in a row. A
 * return that did not last doubles the time until the next, up to sixteen times.
 * For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_PRIMARY_H
#define HF_KEEPER_PRIMARY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_client hf_client;
typedef struct hf_knocked hf_knocked;

typedef struct hf_primary {
  uint8_t opened;   /* knocks in a row that were answered */
  uint8_t patience; /* doublings of the time between knocks */
} hf_primary;

void hf_primary_connected(hf_client *client);
void hf_primary_stable(hf_client *client);                            /* it has stood for a while */
void hf_primary_due(hf_client *client);                               /* it is time to knock */
bool hf_primary_knocked(hf_client *client, const hf_knocked *answer); /* true: it is time to go back */

#endif
