/* What csrc/core/random.c promises, for Frama-C's WP: no division by 0, no shift too far, and every draw within [low,
 * high]. Unsigned numbers wrap here on purpose. Whether hf_random_between ends is not proved: it draws until a draw is
 * fair, which each is with a chance of more than one half.
 */
#include "core/random.h"

/*@ lemma below_range: \forall integer draw, range;
      0 <= draw <= 0xFFFFFFFF && 0 < range ==> 0 <= (draw * range) / 0x100000000 < range;
 */

/*@ assigns \nothing;
    ensures \result == number / 0x100000000 && \result <= 0xFFFFFFFF;
 */
static uint64_t upper_half(uint64_t number);

/*@ requires \valid(state);
    assigns *state;
 */
uint64_t hf_random_next(uint64_t *state);

/*@ requires \valid(state);
    assigns *state;
    ensures high <= low ==> \result == low;
    ensures high > low ==> low <= \result <= high;
 */
uint32_t hf_random_between(uint64_t *state, uint32_t low, uint32_t high);

#include "core/random.c"
