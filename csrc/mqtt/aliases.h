/* aliases.h: topic aliases of one connection, in both directions (MQTT 5 section 3.3.2.3.4).
 *
 * Inbound, the broker gives a number to a topic and may leave the topic out
 * afterwards. Outbound, we choose: a topic that comes again gets a number within
 * the broker's maximum, and numbers go from those that have not been used for
 * longest. Both die with the connection. Each allocates its own copies of topics
 * and is freed by its owner. Pure: one thread at a time.
 */
#ifndef HF_MQTT_ALIASES_H
#define HF_MQTT_ALIASES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/properties.h"

enum { HF_ALIASES_IN = 16 }; /* that we allow a broker */

typedef struct hf_aliases_in {
  hf_bytes *topics; /* HF_ALIASES_IN of them, data NULL: not given yet; NULL: none has been */
} hf_aliases_in;

typedef enum hf_alias_read { HF_ALIAS_FINE, HF_ALIAS_UNKNOWN, HF_ALIAS_INVALID, HF_ALIAS_NO_MEMORY } hf_alias_read;

/* What topic a PUBLISH with this alias has: learns it when `topic` is not empty, else fills it in. */
hf_alias_read hf_aliases_resolve(hf_aliases_in *aliases, uint16_t alias, hf_bytes *topic);
void hf_aliases_in_clear(hf_aliases_in *aliases);

typedef struct hf_aliases_out hf_aliases_out;

/* NULL when memory is short, or `maximum` is 0: then there are none, and hf_aliases_choose answers 0. */
hf_aliases_out *hf_aliases_out_new(uint16_t maximum);
void hf_aliases_out_free(hf_aliases_out *aliases);

/* The alias for the PUBLISH that is being written now, 0 for none; `*known`: the broker knows it already, so the topic
 * may be left out. A topic is given one when it comes a second time, or when leaving it out pays at once. */
uint16_t hf_aliases_choose(hf_aliases_out *aliases, hf_bytes topic, bool *known);

#endif
