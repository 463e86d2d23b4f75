#include "keeper/tally.h"

#include <stdatomic.h>

#include "keeper/event.h"
#include "sys/clock.h"
#include "sys/thread.h"

static atomic_uint_fast64_t failures[HF_REASONS_AT_MOST], losses[HF_REASONS_AT_MOST];
static atomic_uint_fast64_t drops[HF_DROP_CAUSES];

static void add(atomic_uint_fast64_t *to, uint64_t amount) {
  atomic_fetch_add_explicit(to, amount, memory_order_relaxed);
}

static uint64_t read(atomic_uint_fast64_t *from) {
  return atomic_load_explicit(from, memory_order_relaxed);
}

/* ---- by reason ---- */

void hf_tally_failure(const hf_reason *reason) {
  add(&failures[reason->row], 1);
}

void hf_tally_loss(const hf_reason *reason) {
  add(&losses[reason->row], 1);
}

void hf_metrics_of_reason(size_t row, hf_reason_counts *counts) {
  *counts = (hf_reason_counts){.failures = read(&failures[row]), .losses = read(&losses[row])};
}

/* ---- by cause ---- */

static const char *const words[HF_DROP_CAUSES] = {
#define WORD(name, word) [HF_DROP_##name] = (word),
    HF_DROPS(WORD)
#undef WORD
};

enum { HF_PUBLISH_REFUSED = -1 }; /* the broker has spoken */

static size_t cause_of(uint32_t flags) {
#define IS(name, word)                                                                                                 \
  if (flags & (uint32_t)HF_PUBLISH_##name) return HF_DROP_##name;
  HF_DROPS(IS)
#undef IS
  return HF_DROP_REFUSED;
}

const char *hf_drop_name(uint32_t flags) {
  return words[cause_of(flags)];
}

const char *hf_drop_cause(size_t cause) {
  return words[cause];
}

void hf_tally_drop(uint32_t flags) {
  add(&drops[cause_of(flags)], 1);
}

uint64_t hf_metrics_of_drops(size_t cause) {
  return read(&drops[cause]);
}

/* ---- from the keeper to Lua ---- */

/* us: what a turn of a loop takes, what a handler takes that computes, and what a program takes that has stopped. */
const int64_t hf_dispatch_bounds[HF_DISPATCH_BOUNDS] = {50,     100,     250,     500,     1000,    2500,
                                                        5000,   10000,   25000,   50000,   100000,  250000,
                                                        500000, 1000000, 2500000, 5000000, 10000000};

static atomic_uint_fast64_t dispatched[HF_DISPATCH_BOUNDS + 1], dispatch_time;

void hf_tally_dispatch(int64_t waited, unsigned messages) {
  size_t at = 0;
  while (at < HF_DISPATCH_BOUNDS && waited > hf_dispatch_bounds[at])
    at++;
  add(&dispatched[at], messages);
  add(&dispatch_time, (uint64_t)waited * messages);
}

void hf_metrics_of_dispatch(hf_dispatch_counts *counts) {
  counts->microseconds = read(&dispatch_time);
  for (size_t i = 0; i <= HF_DISPATCH_BOUNDS; i++)
    counts->messages[i] = read(&dispatched[i]);
}

/* ---- without a connection ---- */

/* Of those that are over their length; of those that go on how many they are, and the sum of when they began. */
static atomic_uint_fast64_t sequence; /* odd while the others are written */
static atomic_int_fast64_t over, going_on, begun;

void hf_tally_outage(int64_t since) {
  atomic_fetch_add(&sequence, 1);
  atomic_fetch_add(&going_on, 1);
  atomic_fetch_add(&begun, since);
  atomic_fetch_add(&sequence, 1);
}

int64_t hf_tally_outage_over(int64_t since) {
  atomic_fetch_add(&sequence, 1);
  int64_t length = hf_clock_ms() - since; /* in here: nobody has seen a longer one */
  atomic_fetch_add(&over, length);
  atomic_fetch_sub(&going_on, 1);
  atomic_fetch_sub(&begun, since);
  atomic_fetch_add(&sequence, 1);
  return length;
}

int64_t hf_metrics_downtime(void) {
  for (;;) {
    uint64_t before = atomic_load(&sequence);
    int64_t now = hf_clock_ms();
    int64_t total = atomic_load(&over) + atomic_load(&going_on) * now - atomic_load(&begun);
    if (!(before & 1) && before == atomic_load(&sequence)) return total;
    if (hf_thread_forked()) return atomic_load(&over); /* whoever was writing is not there to go on */
  }
}
