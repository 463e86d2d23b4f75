#define _GNU_SOURCE
#include "sys/entropy.h"

#include <sys/random.h>
#include <unistd.h>

#include "sys/clock.h"

uint64_t hf_entropy(void) {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
  /* Early in boot the pool may be empty; the address, pid and microsecond are what then tells devices apart. */
  return (uint64_t)hf_clock_us() * 0x9E3779B97F4A7C15u ^ (uint64_t)getpid() << 32 ^ (uint64_t)(uintptr_t)&seed;
}
