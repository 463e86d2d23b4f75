#include "core/engine.h"

#include <string.h>

#include "core/engine_table.h"

void hf_engine_init(hf_engine *engine, const hf_engine_options *options, uint64_t seed, int64_t now) {
  *engine = (hf_engine){.options = options, .deadline = HF_NEVER, .since = now, .down_since = now};
  hf_backoff_init(&engine->backoff, seed);
}

/* ---- what follows from a failure ---- */

static bool exhausted(const hf_engine *engine) {
  return engine->options->max_attempts > 0 && engine->attempt >= engine->options->max_attempts;
}

static hf_class_rule rule_of(const hf_engine *engine, const hf_reason *reason) {
  if (engine->options->rules) return engine->options->rules[reason->row];
  return (hf_class_rule){.cls = reason->cls, .later = reason->later, .after = reason->after};
}

/* A second client of the same id comes back after a slow wait, long after this one is stable, and its attempt takes
 * time as well. */
static bool outlived(const hf_engine *engine, const hf_reason *reason, int64_t uptime) {
  const hf_engine_options *options = engine->options;
  return reason->fight && uptime > (int64_t)options->slow.max + options->connect_timeout;
}

static bool is_paired(const hf_engine_options *options, unsigned server) {
  return server < 63 && (options->pairs >> server & 1) != 0;
}

/* The first server of the place that one is in, and of the place after that. */
static uint16_t place_of(const hf_engine *engine) {
  return (uint16_t)(engine->server - (engine->server > 0 && is_paired(engine->options, engine->server - 1u)));
}

static uint16_t next_place(const hf_engine *engine) {
  unsigned place = place_of(engine);
  return (uint16_t)((place + (is_paired(engine->options, place) ? 2 : 1)) % engine->options->server_count);
}

static bool has_another_place(const hf_engine *engine) {
  return next_place(engine) != place_of(engine);
}

static uint64_t bit_of_server(const hf_engine *engine) {
  return UINT64_C(1) << (engine->server < 63 ? engine->server : 63);
}

static uint64_t bits_of_place(const hf_engine *engine) {
  uint16_t place = place_of(engine);
  uint64_t first = UINT64_C(1) << (place < 63 ? place : 63);
  return is_paired(engine->options, place) ? first | first << 1 : first;
}

/* A proxy or a container network whose broker restarts says for some seconds what a wrong address says for ever. */
static bool may_pass(const hf_engine *engine, const hf_reason *reason, int64_t now) {
  return reason->passes && (engine->worked & bits_of_place(engine)) && now - engine->down_since < HF_PASSES_WITHIN;
}

/* A class that hangs on repeats belongs to what is still there. */
static void note(hf_engine *engine, int64_t now, const hf_engine_event *event, int64_t uptime) {
  const hf_reason *reason = event->reason;
  int16_t short_code = (int16_t)event->code;
  if (event->cured || event->spent) engine->repeats = 0;
  bool again = engine->repeats > 0 && engine->repeat_source == reason->source && engine->repeat_code == short_code &&
               !outlived(engine, reason, uptime);
  engine->repeats = (uint8_t)(!again ? 1 : engine->repeats < UINT8_MAX ? engine->repeats + 1 : UINT8_MAX);
  engine->repeat_source = reason->source;
  engine->repeat_code = engine->code = short_code;
  engine->reason = reason;

  hf_class_rule rule = rule_of(engine, reason);
  engine->cls = rule.after > 0 && engine->repeats >= rule.after ? rule.later : rule.cls;
  /* A connection that is down has failed, whatever the table says of its code. */
  if (engine->cls == HF_CLASS_NONE) engine->cls = HF_CLASS_RETRY;
  if (engine->cls == HF_CLASS_SLOW && !rule.own && may_pass(engine, reason, now)) engine->cls = HF_CLASS_RETRY;
  if (engine->cls == HF_CLASS_SWITCH && !has_another_place(engine) && !engine->elsewhere) engine->cls = HF_CLASS_SLOW;
  if (!event->cured || rule.own) return;
  engine->cls = HF_CLASS_RETRY;
  engine->repeats = 0;
}

static bool moves(const hf_engine *engine) {
  return !engine->elsewhere && has_another_place(engine) &&
         (engine->cls == HF_CLASS_SWITCH || engine->reason->may_switch);
}

static void choose_server(hf_engine *engine, bool was_connected) {
  if (engine->elsewhere) return;
  if (moves(engine))
    engine->server = next_place(engine);
  else
    engine->server = was_connected ? 0 : place_of(engine);
}

/* The slow floor protects the server that is being left, so a client that moves on waits as usual, unless it is the
 * user who wants this reason to be slow. */
static hf_backoff_options wait_options(const hf_engine *engine) {
  bool spared = moves(engine) && !rule_of(engine, engine->reason).own;
  if (engine->cls != HF_CLASS_SLOW || spared) return engine->options->backoff;
  hf_backoff_options slow = engine->options->slow;
  uint32_t least = engine->reason->floor * 1000u;
  if (least > slow.min && least < slow.max) slow.min = least;
  return slow;
}

static bool draw_wait(hf_engine *engine, int64_t now) {
  hf_backoff_options options = wait_options(engine);
  hf_backoff state = engine->backoff;
  int64_t elapsed = engine->state == HF_STATE_CONNECTING ? now - engine->since : HF_BACKOFF_LOST;
  if (engine->reason->wide && state.steps <= UINT32_MAX - HF_WIDE_STEPS) state.steps += HF_WIDE_STEPS;
  if (!hf_backoff_after(&options, &state, elapsed, &engine->delay)) return false;
  if (engine->backoff.steps < UINT32_MAX) engine->backoff.steps++;
  engine->backoff.random = state.random;
  engine->backoff.previous = state.previous;
  return true;
}

/* True when another attempt follows; `delay` and `server` are then those of it. */
static bool judge(hf_engine *engine, int64_t now, const hf_engine_event *event) {
  bool was_connected = engine->state == HF_STATE_CONNECTED;
  engine->elsewhere = event->elsewhere;
  note(engine, now, event, was_connected ? now - engine->since : 0);
  choose_server(engine, was_connected);
  engine->delay = 0;
  if (engine->cls == HF_CLASS_STOP || exhausted(engine) || !draw_wait(engine, now)) return false;
  if (engine->delay < event->least && !moves(engine) && !event->elsewhere) engine->delay += event->least;
  return true;
}

/* ---- hints ---- */

/* A delay from the first window of the class, as if nothing had failed before; from the second where a hint has come to
 * nothing already, and so on: a network that changes all the time must not take the place of a backoff. What the
 * network itself did says nothing any more once the network has changed; what a broker said still does. */
static bool draw_after_hint(hf_engine *engine, uint32_t *delay) {
  bool network = !engine->reason || engine->reason->source == HF_SOURCE_NETWORK;
  hf_backoff_options options = network ? engine->options->backoff : wait_options(engine);
  hf_backoff state = {.random = engine->backoff.random, .steps = engine->hints};
  if (!hf_backoff_next(&options, &state, delay)) return false;
  engine->backoff.random = state.random;
  return true;
}

static void shorten_wait(hf_engine *engine, int64_t now) {
  uint32_t delay;
  if (!draw_after_hint(engine, &delay) || now + delay >= engine->deadline) return;
  engine->delay = delay;
  engine->deadline = now + delay;
  if (engine->hints < UINT8_MAX) engine->hints++;
}

static void forget_failures(hf_engine *engine) {
  hf_backoff_reset(&engine->backoff);
  engine->attempt = 0;
  engine->repeats = 0;
}

/* The connection has been up for stable_after. */
static void forgive(hf_engine *engine) {
  uint8_t repeats = engine->repeats;
  forget_failures(engine);
  engine->hints = 0;
  if (hf_reason_find((hf_source)engine->repeat_source, engine->repeat_code)->fight) engine->repeats = repeats;
}

/* ---- one step ---- */

static bool sleeps_by_exhaustion(const hf_engine *engine) {
  return engine->cls != HF_CLASS_STOP && exhausted(engine);
}

/* Whether the input counts in this moment, beyond being listed for the state. */
static bool counts(hf_engine *engine, int64_t now, hf_input input) {
  if (engine->held && input != HF_INPUT_RELEASE && input != HF_INPUT_CLOSE) return false;
  if (input == HF_INPUT_TIMER) return now >= engine->deadline;
  if (input == HF_INPUT_RELEASE) return engine->held;
  if (input != HF_INPUT_HINT || engine->state != HF_STATE_SLEEPING) return true;
  /* A hint wakes those who sleep for max_attempts only, and not at once but after a drawn delay. */
  return sleeps_by_exhaustion(engine) && draw_after_hint(engine, &engine->delay);
}

/* FAILED, LOST and a connect timeout are judged here, and become their final columns when no attempt follows. */
static hf_input refine(hf_engine *engine, int64_t now, const hf_engine_event *event) {
  if (event->input == HF_INPUT_FAILED) return judge(engine, now, event) ? HF_INPUT_FAILED : HF_INPUT_FAILED_FINALLY;
  if (event->input == HF_INPUT_LOST) return judge(engine, now, event) ? HF_INPUT_LOST : HF_INPUT_LOST_FINALLY;
  if (event->input == HF_INPUT_TIMER && engine->state == HF_STATE_CONNECTING) {
    const hf_engine_event late = {.reason = hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_CONNECT_TIMEOUT),
                                  .code = HF_CLIENT_CONNECT_TIMEOUT};
    return judge(engine, now, &late) ? HF_INPUT_TIMER : HF_INPUT_TIMER_FINALLY;
  }
  return event->input;
}

/* A connection left by our own will: that attempt was no failure and does not count. */
static void leave(hf_engine *engine, const hf_reason *reason, int code) {
  engine->reason = reason;
  engine->code = (int16_t)code;
  engine->cls = rule_of(engine, reason).cls;
  engine->delay = 0;
  if (engine->attempt > 0) engine->attempt--;
}

static void prepare(hf_engine *engine, const hf_engine_event *event) {
  if (event->input == HF_INPUT_HOLD) {
    leave(engine, event->reason, event->code);
    engine->held = true;
  } else if (event->input == HF_INPUT_RECONNECT && engine->state == HF_STATE_CONNECTED) {
    leave(engine, hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_RECONNECT), HF_CLIENT_RECONNECT);
    if (!event->same_server) engine->server = 0;
  } else if (event->input == HF_INPUT_CONNECTED && event->second) {
    engine->server++;
  } else if (event->input == HF_INPUT_RELEASE || event->input == HF_INPUT_CLOSE) {
    engine->held = false;
  }
  if (engine->state == HF_STATE_SLEEPING && event->input != HF_INPUT_CLOSE) {
    forget_failures(engine);
    engine->server = 0;
    if (event->input != HF_INPUT_HINT)
      engine->hints = 0;
    else if (engine->hints < UINT8_MAX)
      engine->hints++;
  }
}

static void enter(hf_engine *engine, int64_t now, hf_state next) {
  bool was_up = engine->state == HF_STATE_CONNECTED;
  engine->state = (uint8_t)next;
  engine->since = now;
  engine->deadline = HF_NEVER;
  if (was_up) engine->down_since = now;
  switch (next) {
  case HF_STATE_CONNECTING:
    if (engine->attempt < UINT32_MAX) engine->attempt++;
    engine->deadline = now + engine->options->connect_timeout;
    break;
  case HF_STATE_CONNECTED:
    engine->worked |= bit_of_server(engine);
    engine->stable = false;
    engine->deadline = now + engine->options->stable_after;
    break;
  case HF_STATE_WAITING:
    if (!engine->held) engine->deadline = now + engine->delay;
    break;
  case HF_STATE_SLEEPING:
    if (sleeps_by_exhaustion(engine) && engine->options->sleep_for > 0)
      engine->deadline = now + engine->options->sleep_for;
    break;
  case HF_STATE_IDLE:
  case HF_STATE_CLOSED:
  case HF_STATES:
    break;
  }
}

/* Inputs that leave the state as it is. */
static void stay(hf_engine *engine, int64_t now, const hf_engine_event *event) {
  if (event->input == HF_INPUT_TIMER) { /* connected for stable_after */
    engine->stable = true;
    engine->deadline = HF_NEVER;
    forgive(engine);
  } else if (event->input == HF_INPUT_HINT && engine->state == HF_STATE_WAITING) {
    shorten_wait(engine, now);
  } else if (event->input == HF_INPUT_DELAY && engine->state == HF_STATE_CONNECTING) {
    engine->deadline = now + event->delay + engine->options->connect_timeout;
  } else if (event->input == HF_INPUT_DELAY) {
    engine->delay = event->delay;
    engine->deadline = engine->since + event->delay;
    if (engine->deadline < now) engine->deadline = now;
  }
}

unsigned hf_engine_step(hf_engine *engine, int64_t now, hf_engine_event event) {
  if (!table[engine->state][event.input].listed || !counts(engine, now, event.input)) return 0;
  const hf_engine_cell *cell = &table[engine->state][refine(engine, now, &event)];
  prepare(engine, &event);
  if (cell->next == engine->state) {
    stay(engine, now, &event);
  } else {
    if (event.input == HF_INPUT_START) engine->down_since = now;
    enter(engine, now, cell->next);
  }
  return cell->actions;
}

const hf_reason *hf_engine_sleep_reason(const hf_engine *engine) {
  if (engine->state != HF_STATE_SLEEPING) return NULL;
  if (engine->cls == HF_CLASS_STOP) return engine->reason;
  return hf_reason_find(HF_SOURCE_CLIENT, exhausted(engine) ? HF_CLIENT_MAX_ATTEMPTS : HF_CLIENT_BACKOFF_STOPPED);
}

bool hf_engine_row(hf_state state, hf_input input, hf_state *next, unsigned *actions) {
  if ((unsigned)state >= HF_STATES || (unsigned)input >= HF_COLUMNS || !table[state][input].listed) return false;
  *next = table[state][input].next;
  *actions = table[state][input].actions;
  return true;
}

/* ---- names ---- */

static const char *const state_names[HF_STATES] = {
    [HF_STATE_IDLE] = "idle",       [HF_STATE_CONNECTING] = "connecting", [HF_STATE_CONNECTED] = "connected",
    [HF_STATE_WAITING] = "waiting", [HF_STATE_SLEEPING] = "sleeping",     [HF_STATE_CLOSED] = "closed",
};

static const char *const input_names[HF_COLUMNS] = {
    [HF_INPUT_START] = "start",
    [HF_INPUT_CONNECTED] = "connected",
    [HF_INPUT_FAILED] = "failed",
    [HF_INPUT_LOST] = "lost",
    [HF_INPUT_TIMER] = "timer",
    [HF_INPUT_WAKE] = "wake",
    [HF_INPUT_RECONNECT] = "reconnect",
    [HF_INPUT_HINT] = "hint",
    [HF_INPUT_DELAY] = "delay",
    [HF_INPUT_REFUSE] = "refuse",
    [HF_INPUT_HOLD] = "hold",
    [HF_INPUT_RELEASE] = "release",
    [HF_INPUT_CLOSE] = "close",
    [HF_INPUT_FAILED_FINALLY] = "failed finally",
    [HF_INPUT_LOST_FINALLY] = "lost finally",
    [HF_INPUT_TIMER_FINALLY] = "timer finally",
};

const char *hf_state_name(int state) {
  return state >= 0 && state < HF_STATES ? state_names[state] : NULL;
}

const char *hf_input_name(int input) {
  return input >= 0 && input < HF_COLUMNS ? input_names[input] : NULL;
}

int hf_input_find(const char *name) {
  for (int i = 0; i < HF_INPUTS; i++)
    if (strcmp(input_names[i], name) == 0) return i;
  return -1;
}
