#include "core/random.h"

uint64_t hf_random_next(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static uint64_t upper_half(uint64_t number) {
  return number / (UINT64_C(1) << 32);
}

uint32_t hf_random_between(uint64_t *state, uint32_t low, uint32_t high) {
  if (high <= low) return low;
  uint64_t range = (uint64_t)high - low + 1;
  /* The upper half of 32 bits * range is the draw; lower halves below 2^32 mod range would make some draws likelier. */
  uint32_t excess = (uint32_t)((UINT64_C(1) << 32) % range);
  uint64_t product;
  /*@ loop assigns *state, product; */
  do
    product = upper_half(hf_random_next(state)) * range;
  while ((uint32_t)product < excess);
  return low + (uint32_t)upper_half(product);
}
