#include "store/inside.h"

#include <string.h>

#include "sys/clock.h"

/* A store has a time of its own, in which its deadlines are written: that of the wall when it was made, and going on
 * from there by what is known to have passed. Within one start of the machine that is the clock that counts from it,
 * whatever becomes of the wall's. Over another start only the wall can tell; it takes nothing off where it is before
 * the last one that the store has seen, or where that one was before this code was: a machine without a clock of its
 * own starts in 1970, or when its system was made, and learns the time later. */

static const int64_t written_in = 1735689600000; /* 2025-01-01 */
static const int64_t most = (int64_t)1 << 53;

static bool makes_sense(const hf_store_moment *moment) {
  return moment->clock >= 0 && moment->clock < most && moment->wall >= 0 && moment->wall < most && moment->own >= 0 &&
         moment->own < most;
}

static int64_t passed_since(const hf_store_moment *last, const hf_store_moment *now) {
  if (last->boot[0] && strcmp(last->boot, now->boot) == 0 && now->clock >= last->clock) return now->clock - last->clock;
  return last->wall >= written_in && now->wall > last->wall ? now->wall - last->wall : 0;
}

void hf_store_age_begin(hf_store *store, const hf_store_moment *last) {
  hf_store_moment *begun = &store->begun;
  hf_boot_id(begun->boot);
  begun->clock = hf_clock_ms();
  begun->wall = begun->own = hf_clock_wall_ms();
  int64_t passed = last && makes_sense(last) ? passed_since(last, begun) : -1;
  if (passed >= 0) begun->own = last->own + passed;
  begun->wall = passed >= 0 ? last->wall + passed : 0; /* from now on: no earlier than that */
}

hf_store_moment hf_store_age_now(const hf_store *store) {
  hf_store_moment now = store->begun;
  now.clock = hf_clock_ms();
  int64_t passed = now.clock - store->begun.clock, wall = hf_clock_wall_ms();
  now.own += passed;
  now.wall = wall > now.wall + passed ? wall : now.wall + passed;
  return now;
}

int64_t hf_store_age_written(const hf_store *store, int64_t moment) {
  return moment == INT64_MAX ? INT64_MAX : moment - store->begun.clock + store->begun.own;
}

int64_t hf_store_age_read(const hf_store *store, int64_t written) {
  return written == INT64_MAX ? INT64_MAX : written - store->begun.own + store->begun.clock;
}
