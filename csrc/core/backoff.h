/* backoff.h: how long to wait before the next attempt, as a pure function.
 *
 * hf_backoff_next(options, state) draws one delay and moves the state on. All
 * times are whole milliseconds in uint32_t, saturating; a draw never leaves
 * [min, max], because every interval is cut to those bounds before the draw and
 * not after it (capping afterwards piles a fleet up on the cap). The last three
 * strategies and `habits` are those of other clients, with their own bounds, for
 * whoever wants to keep or to simulate them; SPREAD stays in [min, min + window]. Options are
 * shared and read only; the state belongs to the caller. No clock, no memory,
 * no thread: any thread may call, one at a time per state.
 */
#ifndef HF_CORE_BACKOFF_H
#define HF_CORE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

typedef enum hf_backoff_strategy {
  HF_BACKOFF_NONE,         /* never again: the client goes to sleep until woken */
  HF_BACKOFF_CONSTANT,     /* min */
  HF_BACKOFF_LINEAR,       /* min, min + step, min + 2 step ... */
  HF_BACKOFF_EXPONENTIAL,  /* min * factor^n */
  HF_BACKOFF_FIBONACCI,    /* min * 1, 2, 3, 5, 8 ... */
  HF_BACKOFF_RANDOM,       /* uniform in [min, max], whatever the attempt */
  HF_BACKOFF_DECORRELATED, /* uniform in [min, min(max, 3 * the delay before)] */
  HF_BACKOFF_SPREAD,       /* uniform in [min, min + window] after a loss, then a window from attempt to attempt */
  HF_BACKOFF_QUADRATIC,    /* min * (n + 1)^2 */
  HF_BACKOFF_SAWTOOTH,     /* uniform in [0, 2 min], doubled until above max, then anew in [0, min]; each + [0, min) */
  HF_BACKOFF_WHOLE,        /* min * 2^n up to max, then uniform in [/ 1.2, * 1.2], in whole multiples of min */
  HF_BACKOFF_STRATEGIES
} hf_backoff_strategy;

typedef enum hf_backoff_jitter {
  HF_JITTER_NONE,     /* the plain value */
  HF_JITTER_FULL,     /* uniform in [min, ceiling], the ceiling one step ahead so that the first draw has a width */
  HF_JITTER_EQUAL,    /* uniform in [value / 2, value], cut to [min, max] first */
  HF_JITTER_FRACTION, /* uniform in [value (1 - f), value (1 + f)], cut to [min, max] first */
  HF_JITTERS
} hf_backoff_jitter;

enum hf_backoff_habit { /* of other clients */
                        HF_HABIT_CAP_LATE =
                            1 << 0, /* uniform in [0, the value without a cap], and only the draw is cut to max */
                        HF_HABIT_JITTER_LATE = 1 << 1, /* HF_JITTER_FRACTION is not cut, and goes beyond max */
                        HF_HABIT_FROM_START = 1
                                              << 2, /* the delay counts from the start of the attempt that has failed */
};

typedef struct hf_backoff_options {
  uint32_t min;     /* ms, > 0 unless the strategy is NONE */
  uint32_t max;     /* ms, >= min: the cap, inside the draw */
  uint32_t step;    /* ms, for LINEAR */
  uint32_t window;  /* ms, > 0, for SPREAD */
  uint32_t at_once; /* so many delays in front of the series are none */
  uint32_t grid;    /* ms; a wait ends at a tick so far apart, counted from the last attempt; 0: when it ends */
  float factor;     /* >= 1, for EXPONENTIAL */
  float fraction;   /* in (0, 1], for HF_JITTER_FRACTION */
  uint8_t strategy; /* hf_backoff_strategy */
  uint8_t jitter;   /* hf_backoff_jitter; RANDOM, DECORRELATED, SPREAD, SAWTOOTH and WHOLE are their own jitter */
  uint8_t habits;   /* HF_HABIT_* */
} hf_backoff_options;

typedef struct hf_backoff {
  uint64_t random;   /* state of the generator; the seed at first */
  uint32_t steps;    /* delays drawn since the last reset, saturating */
  uint32_t previous; /* the delay drawn last, for SAWTOOTH without its addition; 0 after a reset */
} hf_backoff;

void hf_backoff_init(hf_backoff *state, uint64_t seed);

/* Forgets the failures; the generator goes on, so that no sequence repeats. */
void hf_backoff_reset(hf_backoff *state);

/* The next delay in ms. False when the strategy never retries (`delay` is then untouched). */
bool hf_backoff_next(const hf_backoff_options *options, hf_backoff *state, uint32_t *delay);

/* The same for a wait that begins `elapsed` ms after the start of the attempt that has failed, or HF_BACKOFF_LOST when
 * a connection was lost: SPREAD, HF_HABIT_FROM_START and `grid` ask for that. */
enum { HF_BACKOFF_LOST = -1 };
bool hf_backoff_after(const hf_backoff_options *options, hf_backoff *state, int64_t elapsed, uint32_t *delay);

/* The interval from which the next draw comes, without drawing: what the specs and the docs hold against it. */
void hf_backoff_interval(const hf_backoff_options *options, const hf_backoff *state, uint32_t *low, uint32_t *high);

/* What is wrong with the options in one sentence's worth of words ("max must be at least min"), or NULL. */
const char *hf_backoff_problem(const hf_backoff_options *options);

/* Names as users type them ("exponential", "full"); NULL / -1 when there is none. */
const char *hf_backoff_strategy_name(int strategy);
const char *hf_backoff_jitter_name(int jitter);
int hf_backoff_strategy_find(const char *name);
int hf_backoff_jitter_find(const char *name);

#endif
