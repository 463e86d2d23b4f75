/* Sequences of inputs to an engine of any sound options; spec/support/storm_probe.c looks at more, with less malice. */
#include "core/engine.h"

#include "bytes.h"

static hf_backoff_options take_backoff(bytes *from) {
  hf_backoff_options options = {.min = take_number(from), .max = take_number(from), .step = take_number(from)};
  uint32_t factor = take_number(from), fraction = take_number(from);
  memcpy(&options.factor, &factor, sizeof factor);
  memcpy(&options.fraction, &fraction, sizeof fraction);
  options.strategy = take_byte(from);
  uint8_t jitter = take_byte(from);
  options.jitter = jitter & 0x1F;
  options.habits = jitter >> 5;
  options.window = options.grid = options.step;
  options.at_once = options.habits ? options.step % 4 : 0;
  return options;
}

/* What other clients do keeps to bounds of its own (backoff.h); here it is only to be defined for all numbers. */
static bool keeps_bounds(const hf_backoff_options *options) {
  return options->strategy <= HF_BACKOFF_DECORRELATED && !options->habits;
}

static void draw(const hf_backoff_options *options, uint32_t seed) {
  hf_backoff state;
  hf_backoff_init(&state, seed);
  for (int i = 0; i < 70; i++) {
    uint32_t delay = 0;
    if (i == 60) state.steps = UINT32_MAX - 3;
    bool again = hf_backoff_next(options, &state, &delay);
    promise(again == (options->strategy != HF_BACKOFF_NONE));
    promise(!again || !keeps_bounds(options) || (delay >= options->min && delay <= options->max));
    hf_backoff_after(options, &state, i % 3 ? (int64_t)delay * i : HF_BACKOFF_LOST, &delay);
    promise(i < 60 || state.steps >= UINT32_MAX - 3); /* no failure is the first one again */
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size};
  hf_engine_options options = {.backoff = take_backoff(&from), .slow = take_backoff(&from)};
  options.connect_timeout = take_number(&from);
  options.stable_after = take_number(&from);
  options.max_attempts = take_byte(&from);
  options.sleep_for = take_number(&from);
  options.server_count = (uint16_t)(take_byte(&from) + 1);
  if (hf_backoff_problem(&options.backoff) || hf_backoff_problem(&options.slow)) return 0;
  draw(&options.backoff, take_byte(&from));
  draw(&options.slow, take_byte(&from));
  int64_t now = 1000;
  hf_engine engine;
  hf_engine_init(&engine, &options, take_byte(&from), now);
  while (from.left) {
    hf_engine_event event = {.input = (hf_input)(take_byte(&from) % HF_INPUTS)};
    if (event.input == HF_INPUT_FAILED || event.input == HF_INPUT_LOST || event.input == HF_INPUT_HOLD) {
      event.code = (int8_t)take_byte(&from);
      event.reason = hf_reason_find((hf_source)(take_byte(&from) % HF_SOURCES), event.code);
      event.elsewhere = take_byte(&from) % 2;
    }
    if (event.input == HF_INPUT_DELAY) event.delay = take_number(&from);
    if (event.input == HF_INPUT_TIMER && engine.deadline != HF_NEVER && take_byte(&from) % 4)
      now = engine.deadline > now ? engine.deadline : now;
    else
      now += take_byte(&from);
    uint8_t before = engine.state;
    unsigned actions = hf_engine_step(&engine, now, event);
    promise(engine.state < HF_STATES && hf_state_name(engine.state));
    promise(before != HF_STATE_CLOSED || (engine.state == HF_STATE_CLOSED && actions == 0));
    promise(engine.server < options.server_count);
    promise(engine.deadline == HF_NEVER || engine.deadline >= 1000);
    promise((engine.state == HF_STATE_SLEEPING) == (hf_engine_sleep_reason(&engine) != NULL));
    promise(!options.max_attempts || engine.attempt <= options.max_attempts);
  }
  return 0;
}
