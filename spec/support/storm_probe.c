/* storm_probe: an engine in a storm of random inputs, as the Lua module `storm_probe`.
 *
 * storm(seed, sequences) drives engines with random options through sequences
 * of random inputs, sensible or not, beside a model of the link that knows only
 * what was asked of it, and checks after every step what must always hold. It
 * returns the number of steps and a table of how often each state was entered, or
 * nil and what broke. In C because a million sequences are to take seconds.
 */
#include <stdio.h>
#include <string.h>

#include "core/engine.h"
#include "core/random.h"
#include "lua/compat.h"

typedef enum { LINK_NONE, LINK_ATTEMPT, LINK_UP } link_state;

typedef struct storm {
  uint64_t random;
  hf_engine engine;
  hf_engine before;
  hf_engine_options options;
  hf_class_rule rules[512];
  int64_t now;
  link_state link;
  int64_t attempt_began; /* when its time began to count */
  bool told_up;          /* CONNECTED was told, LOST not yet */
  unsigned entered[HF_STATES];
  char broken[256];
} storm;

static uint32_t pick(storm *s, uint32_t low, uint32_t high) {
  return hf_random_between(&s->random, low, high);
}

static bool one_in(storm *s, uint32_t n) {
  return pick(s, 1, n) == 1;
}

static hf_backoff_options random_backoff(storm *s) {
  hf_backoff_options options = {
      .min = pick(s, 1, 1000),
      .step = pick(s, 1, 1000),
      .factor = 1.0f + (float)pick(s, 0, 300) / 100.0f,
      .fraction = (float)pick(s, 1, 100) / 100.0f,
      .strategy = (uint8_t)pick(s, one_in(s, 4) ? HF_BACKOFF_NONE : HF_BACKOFF_CONSTANT, HF_BACKOFF_STRATEGIES - 1),
      .jitter = (uint8_t)pick(s, 0, HF_JITTERS - 1),
  };
  options.window = pick(s, 1, 60000);
  options.max = options.min + (options.strategy == HF_BACKOFF_SPREAD ? options.window : pick(s, 0, 60000));
  return options;
}

/* Some strategies draw below min or above max, by as much as their own rule says; min may be the floor of a reason. */
static uint32_t least_delay(const hf_backoff_options *options) {
  return options->strategy == HF_BACKOFF_SAWTOOTH || options->strategy == HF_BACKOFF_WHOLE ? 0 : options->min;
}

static uint32_t most_delay(const hf_backoff_options *options) {
  if (options->strategy == HF_BACKOFF_SPREAD) return options->max + options->window;
  if (options->strategy == HF_BACKOFF_SAWTOOTH) return 3 * options->max;
  return options->strategy == HF_BACKOFF_WHOLE ? options->max + options->max / 5 + 1 : options->max;
}

static void begin(storm *s) {
  s->options = (hf_engine_options){
      .backoff = random_backoff(s),
      .slow = random_backoff(s),
      .connect_timeout = pick(s, 1, 20000),
      .stable_after = pick(s, 0, 20000),
      .max_attempts = one_in(s, 2) ? pick(s, 1, 6) : 0,
      .sleep_for = one_in(s, 2) ? pick(s, 1, 100000) : 0,
      .server_count = (uint16_t)pick(s, 1, 4),
  };
  if (one_in(s, 3)) {
    for (size_t i = 0; i < hf_reason_count(); i++)
      s->rules[i] = (hf_class_rule){.cls = (uint8_t)pick(s, 0, HF_CLASSES - 1),
                                    .later = (uint8_t)pick(s, 0, HF_CLASSES - 1),
                                    .after = (uint8_t)pick(s, 0, 4),
                                    .own = one_in(s, 2)};
    s->options.rules = s->rules;
  }
  s->link = LINK_NONE;
  s->told_up = false;
  hf_engine_init(&s->engine, &s->options, hf_random_next(&s->random), s->now);
}

static hf_engine_event random_event(storm *s) {
  hf_engine_event event = {.input = (hf_input)pick(s, 0, HF_INPUTS - 1)};
  /* Mostly what a link and a clock would say, so that every state is reached. */
  switch (pick(s, 0, 9)) {
  case 0:
  case 1:
  case 2:
    event.input = HF_INPUT_TIMER;
    if (s->engine.deadline != HF_NEVER && s->engine.deadline > s->now && !one_in(s, 4)) s->now = s->engine.deadline;
    break;
  case 3:
  case 4:
    event.input = HF_INPUT_FAILED;
    break;
  case 5:
    event.input = HF_INPUT_CONNECTED;
    break;
  default:
    break;
  }
  if (event.input == HF_INPUT_CLOSE && !one_in(s, 20)) event.input = HF_INPUT_LOST;
  if (event.input == HF_INPUT_FAILED || event.input == HF_INPUT_LOST || event.input == HF_INPUT_HOLD) {
    event.reason = hf_reason_row(pick(s, 0, (uint32_t)hf_reason_count() - 1));
    event.code = event.reason->code;
  }
  if (event.input == HF_INPUT_DELAY) event.delay = pick(s, 0, 100000);
  return event;
}

static bool broke(storm *s, hf_input input, unsigned actions, const char *what) {
  snprintf(s->broken, sizeof s->broken, "%s (%s in %s, then %s, actions 0x%x)", what, hf_input_name((int)input),
           hf_state_name(s->before.state), hf_state_name(s->engine.state), actions);
  return false;
}

/* The link's own view: an order that it could not carry out is a fault of the engine. */
static const char *obey(storm *s, hf_input input, unsigned actions) {
  if (actions) {
    if (input == HF_INPUT_CONNECTED) s->link = LINK_UP;
    if (input == HF_INPUT_FAILED || input == HF_INPUT_LOST) s->link = LINK_NONE;
  }
  if (actions & HF_DO_ABANDON) {
    if (s->link != LINK_ATTEMPT) return "abandoned what was no attempt";
    s->link = LINK_NONE;
  }
  if (actions & HF_DO_DISCONNECT) {
    if (s->link != LINK_UP) return "disconnected what was not connected";
    s->link = LINK_NONE;
  }
  if (actions & HF_DO_PROBE && s->link != LINK_UP) return "probed what was not connected";
  if (actions & HF_DO_CONNECT) {
    if (s->link != LINK_NONE) return "two attempts at once";
    s->link = LINK_ATTEMPT;
  }
  return NULL;
}

static const char *check_telling(storm *s, unsigned actions) {
  if (!(actions & HF_DO_CONNECT) != !(actions & HF_TELL_CONNECTING)) return "connect and tell_connecting are not one";
  if (actions & HF_TELL_LOST) {
    if (!s->told_up) return "told lost twice, or without a connection";
    s->told_up = false;
  }
  if (actions & HF_TELL_CONNECTED) {
    if (s->told_up) return "told connected twice";
    s->told_up = true;
  }
  if (actions & HF_TELL_CLOSED) s->told_up = false;
  if (actions & HF_TELL_FAILED && s->before.state != HF_STATE_CONNECTING) return "told failed without an attempt";
  if (actions & HF_TELL_SLEEPING && s->engine.state != HF_STATE_SLEEPING) return "told sleeping and does not sleep";
  return NULL;
}

static const char *check_state(const storm *s) {
  const hf_engine *e = &s->engine;
  const hf_engine_options *o = &s->options;
  bool timed = e->deadline != HF_NEVER;
  switch (e->state) {
  case HF_STATE_CONNECTING:
    if (s->link != LINK_ATTEMPT) return "connecting without an attempt";
    if (e->deadline != s->attempt_began + o->connect_timeout) return "the attempt has a wrong deadline";
    if (e->attempt == 0) return "an attempt was not counted";
    break;
  case HF_STATE_CONNECTED:
    if (s->link != LINK_UP) return "connected without a connection";
    if (timed == e->stable) return "stable, or waiting for it: neither or both";
    if (e->stable && e->attempt != 0) return "attempts outlive a stable connection";
    break;
  case HF_STATE_WAITING:
    if (timed == e->held) return "waits without a deadline, or is held with one";
    if (timed && e->deadline - e->since > (int64_t)UINT32_MAX) return "waits too long";
    if (o->max_attempts && e->attempt >= o->max_attempts) return "waits for an attempt too many";
    break;
  case HF_STATE_SLEEPING:
    if (!hf_engine_sleep_reason(e)) return "sleeps for no reason";
    if (timed && (e->cls == HF_CLASS_STOP || !o->sleep_for)) return "would wake from a sleep for good";
    break;
  default:
    if (timed) return "a deadline in idle or closed";
    break;
  }
  if (e->state != HF_STATE_CONNECTING && e->state != HF_STATE_CONNECTED && s->link != LINK_NONE)
    return "left the link in use";
  if (e->held && e->state != HF_STATE_WAITING) return "held and not waiting";
  if (e->state != HF_STATE_SLEEPING && hf_engine_sleep_reason(e)) return "a reason to sleep while awake";
  if (o->max_attempts && e->attempt > o->max_attempts) return "more attempts than max_attempts";
  if (e->server >= o->server_count) return "no such server";
  return NULL;
}

/* The drawn delay stays within the options it came from; a user's own delay may be anything. */
static const char *check_delay(const storm *s, hf_input input, unsigned actions) {
  const hf_backoff_options *a = &s->options.backoff, *b = &s->options.slow;
  if (input == HF_INPUT_DELAY || s->engine.state != HF_STATE_WAITING || s->engine.held) return NULL;
  if (!(actions & (HF_TELL_FAILED | HF_TELL_LOST))) return NULL;
  uint32_t low = least_delay(a) < least_delay(b) ? least_delay(a) : least_delay(b);
  uint32_t high = most_delay(a) > most_delay(b) ? most_delay(a) : most_delay(b);
  return s->engine.delay < low || s->engine.delay > high ? "a delay outside min and max" : NULL;
}

static bool column_says(const storm *s, hf_input column, unsigned actions) {
  hf_state next;
  unsigned row;
  return hf_engine_row((hf_state)s->before.state, column, &next, &row) && row == actions && next == s->engine.state;
}

/* The printed table says what happened, or nothing has. */
static const char *check_table(const storm *s, hf_input input, unsigned actions) {
  if (actions == 0 && memcmp(&s->before, &s->engine, sizeof s->engine) == 0) return NULL;
  if (column_says(s, input, actions)) return NULL;
  if (input == HF_INPUT_FAILED && column_says(s, HF_INPUT_FAILED_FINALLY, actions)) return NULL;
  if (input == HF_INPUT_LOST && column_says(s, HF_INPUT_LOST_FINALLY, actions)) return NULL;
  if (input == HF_INPUT_TIMER && column_says(s, HF_INPUT_TIMER_FINALLY, actions)) return NULL;
  return "did what is not in the table";
}

static bool step(storm *s) {
  s->now += one_in(s, 2) ? pick(s, 0, 5000) : 0;
  hf_engine_event event = random_event(s);
  memcpy(&s->before, &s->engine, sizeof s->engine);
  unsigned actions = hf_engine_step(&s->engine, s->now, event);
  if (actions & HF_DO_CONNECT) s->attempt_began = s->now;
  if (event.input == HF_INPUT_DELAY && s->before.state == HF_STATE_CONNECTING) s->attempt_began = s->now + event.delay;
  const char *what = obey(s, event.input, actions);
  if (!what) what = check_telling(s, actions);
  if (!what) what = check_state(s);
  if (!what) what = check_delay(s, event.input, actions);
  if (!what) what = check_table(s, event.input, actions);
  if (!what && s->before.state == HF_STATE_CLOSED && memcmp(&s->before, &s->engine, sizeof s->engine) != 0)
    what = "came back from closed";
  if (!what && event.input == HF_INPUT_TIMER && s->now < s->before.deadline && actions)
    what = "a timer before its time";
  if (s->engine.state != s->before.state) s->entered[s->engine.state]++;
  return what ? broke(s, event.input, actions, what) : true;
}

/* Most sequences are short; one in a hundred is long enough for counters to fill up. */
static int length(storm *s) {
  return (int)(one_in(s, 100) ? pick(s, 100, 1000) : pick(s, 1, 20));
}

static int run_storm(lua_State *L) {
  static storm s; /* too big for a stack */
  memset(&s, 0, sizeof s);
  s.random = (uint64_t)luaL_checkinteger(L, 1);
  int sequences = (int)luaL_checkinteger(L, 2);
  luaL_argcheck(L, hf_reason_count() <= sizeof s.rules / sizeof s.rules[0], 1, "more reasons than rules");
  lua_Integer steps = 0;
  for (int i = 1; i <= sequences; i++) {
    begin(&s);
    for (int left = length(&s); left > 0; left--, steps++) {
      if (!step(&s)) {
        lua_pushnil(L);
        lua_pushfstring(L, "sequence %d: %s", i, s.broken);
        return 2;
      }
    }
  }
  lua_pushinteger(L, steps);
  lua_newtable(L);
  for (int i = 0; i < HF_STATES; i++) {
    lua_pushinteger(L, (lua_Integer)s.entered[i]);
    lua_setfield(L, -2, hf_state_name(i));
  }
  return 2;
}

static const luaL_Reg functions[] = {{"storm", run_storm}, {NULL, NULL}};

int luaopen_storm_probe(lua_State *L);

int luaopen_storm_probe(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
