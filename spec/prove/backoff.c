/* What csrc/core/backoff.c promises, for Frama-C's WP: no overflow, signed or unsigned, no conversion out of range, and
 * every delay within [min, max], for all options that hf_backoff_problem lets pass, all states and all draws. Floating
 * point counts as real numbers here; of hf_random_between it uses what random.c proves. The names are not looked at.
 */
#include "core/backoff.h"
#include "core/random.h"

/*@ predicate fine(hf_backoff_options *o) =
      1 <= o->min <= o->max && o->strategy <= HF_BACKOFF_DECORRELATED && o->jitter < HF_JITTERS &&
      (o->habits & HF_HABIT_CAP_LATE) == 0 && (o->habits & HF_HABIT_JITTER_LATE) == 0 && o->at_once == 0 &&
      1.0 <= o->factor <= 1000000.0 && 0.0 < o->fraction <= 1.0;
 */

/*@ requires \valid(state);
    assigns *state;
    ensures high <= low ==> \result == low;
    ensures high > low ==> low <= \result <= high;
 */
uint32_t hf_random_between(uint64_t *state, uint32_t low, uint32_t high);

/*@ requires base >= 1.0;
    assigns \nothing;
    ensures \result >= 1.0;
 */
static double power(double base, uint64_t exponent);

/*@ requires low <= high;
    assigns \nothing;
    ensures low <= \result <= high;
    ensures low <= value <= high ==> \result == value;
    ensures value > high ==> \result == high;
 */
static uint32_t cut(uint64_t value, uint32_t low, uint32_t high);

/*@ requires low <= high && value >= 0.0;
    assigns \nothing;
    ensures low <= \result <= high;
 */
static uint32_t cut_real(double value, uint32_t low, uint32_t high);

/*@ lemma one_less: \forall integer before, multiple, min;
      before <= multiple && min >= 0 ==> (before + multiple) * min <= 2 * (multiple * min);
    lemma at_least_itself: \forall integer multiple, min; multiple >= 0 && min >= 1 ==> multiple <= multiple * min;
 */

/*@ requires \valid_read(options) && fine(options);
    assigns \nothing;
    ensures options->min <= \result <= options->max;
 */
static uint32_t fibonacci(const hf_backoff_options *options, uint64_t step);

/*@ requires \valid_read(options) && fine(options) && step <= 0x100000000;
    assigns \nothing;
    ensures options->min <= \result <= options->max;
 */
static uint32_t plain(const hf_backoff_options *options, uint64_t step);

/*@ requires \valid_read(options) && fine(options) && \valid(low) && \valid(high) && \separated(low, high, options);
    assigns *low, *high;
    ensures options->min <= *low <= options->max;
    ensures options->min <= *high <= options->max;
 */
static void jittered(const hf_backoff_options *options, uint32_t steps, uint32_t *low, uint32_t *high);

/*@ requires \valid(state);
    assigns *state;
 */
void hf_backoff_init(hf_backoff *state, uint64_t seed);

/*@ requires \valid(state);
    assigns state->steps, state->previous;
 */
void hf_backoff_reset(hf_backoff *state);

/*@ requires \valid_read(options) && fine(options) && \valid_read(state) && \valid(low) && \valid(high);
    requires \separated(low, high, options, state);
    assigns *low, *high;
    ensures options->strategy == HF_BACKOFF_NONE ==> *low == *high == 0;
    ensures options->strategy != HF_BACKOFF_NONE ==> options->min <= *low <= options->max;
    ensures options->strategy != HF_BACKOFF_NONE ==> options->min <= *high <= options->max;
 */
void hf_backoff_interval(const hf_backoff_options *options, const hf_backoff *state, uint32_t *low, uint32_t *high);

/*@ requires options->strategy != HF_BACKOFF_NONE;
    requires \valid_read(options) && fine(options) && \valid_read(state) && \valid(low) && \valid(high);
    requires \separated(low, high, options, state);
    assigns *low, *high;
    ensures \true;
    ensures options->strategy != HF_BACKOFF_NONE ==> options->min <= *low <= options->max;
    ensures options->strategy != HF_BACKOFF_NONE ==> options->min <= *high <= options->max;
 */
static void series(const hf_backoff_options *options, const hf_backoff *state, uint32_t steps, uint32_t *low,
                   uint32_t *high);

/*@ requires \valid_read(options) && fine(options) && \valid(state) && \separated(options, state);
    requires options->strategy != HF_BACKOFF_NONE;
    assigns state->random;
    ensures options->min <= \result <= options->max;
 */
static uint32_t draw(const hf_backoff_options *options, hf_backoff *state);

/*@ requires \valid_read(options) && fine(options) && \valid(state) && \valid(delay);
    requires \separated(delay, options, state) && \separated(options, state);
    assigns *delay, *state;
    ensures options->strategy == HF_BACKOFF_NONE ==> \result == \false && *delay == \old(*delay);
    ensures options->strategy != HF_BACKOFF_NONE ==> \result == \true && options->min <= *delay <= options->max;
    ensures \result == \true ==> state->previous == *delay;
    ensures state->steps >= \old(state->steps);
 */
bool hf_backoff_next(const hf_backoff_options *options, hf_backoff *state, uint32_t *delay);

/*@ requires \valid_read(options);
    assigns \nothing;
    ensures \result == \null && options->strategy != HF_BACKOFF_NONE ==>
      1 <= options->min <= options->max && options->strategy < HF_BACKOFF_STRATEGIES && options->jitter < HF_JITTERS;
    ensures \result == \null && options->strategy == HF_BACKOFF_EXPONENTIAL ==> 1.0 <= options->factor <= 1000000.0;
    ensures \result == \null && options->strategy != HF_BACKOFF_NONE && options->jitter == HF_JITTER_FRACTION ==>
      0.0 < options->fraction <= 1.0;
 */
const char *hf_backoff_problem(const hf_backoff_options *options);

#include "core/backoff.c"
