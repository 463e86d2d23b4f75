/* begun.h: up to where the messages of one QoS may be acknowledged.
 *
 * A link numbers them as it tells them; takers begin with them in any order, and
 * the broker must be answered in the order in which they came (MQTT 5 section
 * 4.6). Here each number is expected before its message is shown to anybody, and
 * marked when its taker has it; what may be acknowledged is everything before
 * the first that is not marked. To mark needs no memory. Owned by a client, used
 * by the thread of its Lua state alone.
 */
#ifndef HF_KEEPER_BEGUN_H
#define HF_KEEPER_BEGUN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_begun {
  uint64_t upto;     /* all of these are marked */
  uint64_t expected; /* the highest that was */
  uint8_t *marks;
  uint32_t room; /* a power of two, or 0 */
} hf_begun;

void hf_begun_free(hf_begun *begun);
bool hf_begun_expect(hf_begun *begun, uint64_t receipt); /* false when memory is short; those left out are marked */
void hf_begun_mark(hf_begun *begun, uint64_t receipt);   /* which was expected; a second time means nothing */

#endif
