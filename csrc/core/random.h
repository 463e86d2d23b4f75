/* random.h: a small private generator, eight bytes of state.
 *
 * Backoff must not disturb, nor depend on, the host's rand() or math.random,
 * and a fleet simulation must repeat by seed. The caller owns the state and
 * seeds it (from sys/entropy.h in a client, from a number in a simulation).
 * SplitMix64 (Steele, Lea, Flood, 2014). Pure: any thread, one at a time.
 */
#ifndef HF_CORE_RANDOM_H
#define HF_CORE_RANDOM_H

#include <stdint.h>

uint64_t hf_random_next(uint64_t *state);

/* Uniform in [low, high], both included, without modulo bias; high < low counts as low. */
uint32_t hf_random_between(uint64_t *state, uint32_t low, uint32_t high);

#endif
