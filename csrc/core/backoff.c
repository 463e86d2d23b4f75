#include "core/backoff.h"

#include <stddef.h>
#include <string.h>

#include "core/random.h"

void hf_backoff_init(hf_backoff *state, uint64_t seed) {
  *state = (hf_backoff){.random = seed};
}

void hf_backoff_reset(hf_backoff *state) {
  state->steps = 0;
  state->previous = 0;
}

/* No library power function: the same bits on every machine, so that a simulation repeats by its seed. */
static double power(double base, uint64_t exponent) {
  double result = 1;
  /*@ loop invariant base >= 1.0 && result >= 1.0; loop assigns exponent, base, result; loop variant exponent; */
  for (; exponent; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

static uint32_t cut(uint64_t value, uint32_t low, uint32_t high) {
  if (value < low) return low;
  return value > high ? high : (uint32_t)value;
}

static uint32_t cut_real(double value, uint32_t low, uint32_t high) {
  if (value >= (double)high) return high;
  return cut((uint64_t)(value + 0.5), low, high);
}

static uint32_t fibonacci(const hf_backoff_options *options, uint64_t step) {
  uint64_t before = 1, multiple = 1;
  /*@ loop invariant 1 <= before <= multiple <= 2 * options->max;
      loop invariant multiple * options->min <= 2 * options->max;
      loop assigns step, before, multiple; loop variant step; */
  for (; step > 0 && multiple * options->min < options->max; step--) {
    uint64_t next = before + multiple;
    before = multiple;
    multiple = next;
  }
  return cut(multiple * options->min, options->min, options->max);
}

/* The delay before any jitter, `step` counted from 0, and never above the cap. */
static uint32_t plain(const hf_backoff_options *options, uint64_t step) {
  switch ((hf_backoff_strategy)options->strategy) {
  case HF_BACKOFF_LINEAR:
    return cut(options->min + step * options->step, options->min, options->max);
  case HF_BACKOFF_EXPONENTIAL:
    return cut_real(options->min * power((double)options->factor, step), options->min, options->max);
  case HF_BACKOFF_FIBONACCI:
    return fibonacci(options, step);
  case HF_BACKOFF_QUADRATIC:
    return cut_real(options->min * power((double)step + 1, 2), options->min, options->max);
  case HF_BACKOFF_NONE:
  case HF_BACKOFF_CONSTANT:
  case HF_BACKOFF_RANDOM:
  case HF_BACKOFF_DECORRELATED:
  case HF_BACKOFF_SPREAD:
  case HF_BACKOFF_SAWTOOTH:
  case HF_BACKOFF_WHOLE:
  case HF_BACKOFF_STRATEGIES:
    break;
  }
  return options->min;
}

static void jittered(const hf_backoff_options *options, uint32_t steps, uint32_t *low, uint32_t *high) {
  uint32_t value = plain(options, steps);
  double fraction = (double)options->fraction;
  bool late = options->habits & HF_HABIT_JITTER_LATE;
  switch ((hf_backoff_jitter)options->jitter) {
  case HF_JITTER_FULL:
    *low = options->min;
    *high = plain(options, (uint64_t)steps + 1);
    break;
  case HF_JITTER_EQUAL:
    *low = cut(value / 2, options->min, options->max);
    *high = value;
    break;
  case HF_JITTER_FRACTION:
    *low = cut_real(value * (1 - fraction), late ? 0 : options->min, options->max);
    *high = cut_real(value * (1 + fraction), options->min, late ? UINT32_MAX : options->max);
    break;
  case HF_JITTER_NONE:
  case HF_JITTERS:
    *low = value;
    *high = value;
    break;
  }
}

static void capped_late(const hf_backoff_options *options, uint32_t steps, uint32_t *low, uint32_t *high) {
  hf_backoff_options uncapped = *options;
  uncapped.max = UINT32_MAX;
  *low = 0;
  *high = plain(&uncapped, steps);
}

/* Twice the delay before, or anew when that is too long. */
static void teeth(const hf_backoff_options *options, const hf_backoff *state, uint32_t steps, uint32_t *low,
                  uint32_t *high) {
  uint64_t twice = UINT64_C(2) * state->previous;
  if (steps > 0 && twice <= options->max) {
    *low = *high = (uint32_t)twice;
    return;
  }
  *low = 0;
  *high = steps > 0 ? options->min : cut(UINT64_C(2) * options->min, 0, UINT32_MAX);
}

static void whole(const hf_backoff_options *options, uint32_t steps, uint32_t *low, uint32_t *high) {
  uint64_t units = options->max / options->min;
  if (steps < 32 && (UINT64_C(1) << steps) < units) units = UINT64_C(1) << steps;
  *low = (uint32_t)(units * 10 / 12) * options->min;
  *high = cut(units * 12 / 10 * options->min, 0, UINT32_MAX);
}

/* The series, `steps` counted from its beginning. */
static void series(const hf_backoff_options *options, const hf_backoff *state, uint32_t steps, uint32_t *low,
                   uint32_t *high) {
  switch ((hf_backoff_strategy)options->strategy) {
  case HF_BACKOFF_RANDOM:
    *low = options->min;
    *high = options->max;
    break;
  case HF_BACKOFF_DECORRELATED:
    *low = options->min;
    *high = cut(UINT64_C(3) * cut(state->previous, options->min, options->max), options->min, options->max);
    break;
  case HF_BACKOFF_SPREAD:
    *low = state->previous == 0 ? options->min : cut(options->window, options->min, UINT32_MAX);
    *high = state->previous == 0 ? cut((uint64_t)options->min + options->window, 0, UINT32_MAX) : *low;
    break;
  case HF_BACKOFF_SAWTOOTH:
    teeth(options, state, steps, low, high);
    break;
  case HF_BACKOFF_WHOLE:
    whole(options, steps, low, high);
    break;
  case HF_BACKOFF_NONE:
  case HF_BACKOFF_CONSTANT:
  case HF_BACKOFF_LINEAR:
  case HF_BACKOFF_EXPONENTIAL:
  case HF_BACKOFF_FIBONACCI:
  case HF_BACKOFF_QUADRATIC:
  case HF_BACKOFF_STRATEGIES:
    if (options->habits & HF_HABIT_CAP_LATE)
      capped_late(options, steps, low, high);
    else
      jittered(options, steps, low, high);
  }
}

void hf_backoff_interval(const hf_backoff_options *options, const hf_backoff *state, uint32_t *low, uint32_t *high) {
  if (options->strategy == HF_BACKOFF_NONE || state->steps < options->at_once)
    *low = *high = 0;
  else
    series(options, state, state->steps - options->at_once, low, high);
}

/* One draw, as the strategy has it. */
static uint32_t draw(const hf_backoff_options *options, hf_backoff *state) {
  uint32_t low, high, unit = options->min;
  hf_backoff_interval(options, state, &low, &high);
  if (options->strategy == HF_BACKOFF_WHOLE) return hf_random_between(&state->random, low / unit, high / unit) * unit;
  uint32_t drawn = hf_random_between(&state->random, low, high);
  return options->habits & HF_HABIT_CAP_LATE ? cut(drawn, 0, options->max) : drawn;
}

/* The first tick that is not before the end of the wait, and not now. */
static uint32_t align(uint32_t grid, int64_t elapsed, uint32_t delay) {
  int64_t ticks = (elapsed + delay + grid - 1) / grid;
  if (ticks * grid <= elapsed) ticks = elapsed / grid + 1;
  return cut((uint64_t)(ticks * grid - elapsed), 0, UINT32_MAX);
}

/* After a loss nothing is known of the ticks: they may be anywhere. */
static uint32_t on_grid(const hf_backoff_options *options, hf_backoff *state, int64_t elapsed, uint32_t delay) {
  int64_t since_tick = elapsed;
  if (elapsed < 0) since_tick = hf_random_between(&state->random, 0, options->grid - 1);
  return align(options->grid, since_tick, delay);
}

/* A client keeps its place in the window as long as the broker is away, so that the attempts stay as evenly spread as
 * they were at first; a connection that was up and is lost may have been lost together with all others. */
static uint32_t spread(const hf_backoff_options *options, hf_backoff *state, int64_t elapsed) {
  uint32_t most = cut((uint64_t)options->min + options->window, 0, UINT32_MAX);
  if (elapsed < 0) return hf_random_between(&state->random, options->min, most);
  return align(options->window, elapsed, options->min);
}

bool hf_backoff_next(const hf_backoff_options *options, hf_backoff *state, uint32_t *delay) {
  if (options->strategy == HF_BACKOFF_NONE) return false;
  bool in_series = state->steps >= options->at_once;
  *delay = state->previous = draw(options, state);
  if (options->strategy == HF_BACKOFF_SAWTOOTH && in_series)
    *delay = cut((uint64_t)*delay + hf_random_between(&state->random, 0, options->min - 1), 0, UINT32_MAX);
  if (state->steps < UINT32_MAX) state->steps++;
  return true;
}

bool hf_backoff_after(const hf_backoff_options *options, hf_backoff *state, int64_t elapsed, uint32_t *delay) {
  if (!hf_backoff_next(options, state, delay)) return false;
  if (options->strategy == HF_BACKOFF_SPREAD) *delay = state->previous = spread(options, state, elapsed);
  if (options->grid > 0) *delay = on_grid(options, state, elapsed, *delay);
  if ((options->habits & HF_HABIT_FROM_START) && elapsed > 0)
    *delay = elapsed < (int64_t)*delay ? *delay - (uint32_t)elapsed : 0;
  return true;
}

const char *hf_backoff_problem(const hf_backoff_options *options) {
  if (options->strategy >= HF_BACKOFF_STRATEGIES) return "strategy is none of the known ones";
  if (options->jitter >= HF_JITTERS) return "jitter is none of the known ones";
  if (options->strategy == HF_BACKOFF_NONE) return NULL;
  if (options->min == 0) return "min must be greater than 0";
  if (options->max < options->min) return "max must be at least min";
  if (options->strategy == HF_BACKOFF_LINEAR && options->step == 0) return "step must be greater than 0";
  if (options->strategy == HF_BACKOFF_EXPONENTIAL && !(options->factor >= 1.0f && options->factor <= 1e6f))
    return "factor must be between 1 and 1,000,000";
  if (options->strategy == HF_BACKOFF_SPREAD && options->window == 0) return "the window must be greater than 0";
  if (options->jitter == HF_JITTER_FRACTION && !(options->fraction > 0.0f && options->fraction <= 1.0f))
    return "jitter must be greater than 0 and at most 1";
  return NULL;
}

static const char *const strategy_names[HF_BACKOFF_STRATEGIES] = {
    [HF_BACKOFF_NONE] = "none",
    [HF_BACKOFF_CONSTANT] = "constant",
    [HF_BACKOFF_LINEAR] = "linear",
    [HF_BACKOFF_EXPONENTIAL] = "exponential",
    [HF_BACKOFF_FIBONACCI] = "fibonacci",
    [HF_BACKOFF_RANDOM] = "random",
    [HF_BACKOFF_DECORRELATED] = "decorrelated",
    [HF_BACKOFF_SPREAD] = "spread",
    [HF_BACKOFF_QUADRATIC] = "quadratic",
    [HF_BACKOFF_SAWTOOTH] = "sawtooth",
    [HF_BACKOFF_WHOLE] = "whole",
};

static const char *const jitter_names[HF_JITTERS] = {
    [HF_JITTER_NONE] = "none",
    [HF_JITTER_FULL] = "full",
    [HF_JITTER_EQUAL] = "equal",
    [HF_JITTER_FRACTION] = "fraction",
};

static int find(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

const char *hf_backoff_strategy_name(int strategy) {
  return strategy >= 0 && strategy < HF_BACKOFF_STRATEGIES ? strategy_names[strategy] : NULL;
}

const char *hf_backoff_jitter_name(int jitter) {
  return jitter >= 0 && jitter < HF_JITTERS ? jitter_names[jitter] : NULL;
}

int hf_backoff_strategy_find(const char *name) {
  return find(strategy_names, HF_BACKOFF_STRATEGIES, name);
}

int hf_backoff_jitter_find(const char *name) {
  return find(jitter_names, HF_JITTERS, name);
}
