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
  switch (options->strategy) {
  case HF_BACKOFF_LINEAR:
    return cut(options->min + step * options->step, options->min, options->max);
  case HF_BACKOFF_EXPONENTIAL:
    return cut_real(options->min * power((double)options->factor, step), options->min, options->max);
  case HF_BACKOFF_FIBONACCI:
    return fibonacci(options, step);
  default:
    return options->min;
  }
}

static void jittered(const hf_backoff_options *options, uint32_t steps, uint32_t *low, uint32_t *high) {
  uint32_t value = plain(options, steps);
  double fraction = (double)options->fraction;
  switch (options->jitter) {
  case HF_JITTER_FULL:
    *low = options->min;
    *high = plain(options, (uint64_t)steps + 1);
    break;
  case HF_JITTER_EQUAL:
    *low = cut(value / 2, options->min, options->max);
    *high = value;
    break;
  case HF_JITTER_FRACTION:
    *low = cut_real(value * (1 - fraction), options->min, options->max);
    *high = cut_real(value * (1 + fraction), options->min, options->max);
    break;
  default:
    *low = value;
    *high = value;
  }
}

void hf_backoff_interval(const hf_backoff_options *options, const hf_backoff *state, uint32_t *low, uint32_t *high) {
  switch (options->strategy) {
  case HF_BACKOFF_NONE:
    *low = *high = 0;
    break;
  case HF_BACKOFF_RANDOM:
    *low = options->min;
    *high = options->max;
    break;
  case HF_BACKOFF_DECORRELATED:
    *low = options->min;
    *high = cut(UINT64_C(3) * cut(state->previous, options->min, options->max), options->min, options->max);
    break;
  default:
    jittered(options, state->steps, low, high);
  }
}

bool hf_backoff_next(const hf_backoff_options *options, hf_backoff *state, uint32_t *delay) {
  if (options->strategy == HF_BACKOFF_NONE) return false;
  uint32_t low, high;
  hf_backoff_interval(options, state, &low, &high);
  *delay = state->previous = hf_random_between(&state->random, low, high);
  if (state->steps < UINT32_MAX) state->steps++;
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
