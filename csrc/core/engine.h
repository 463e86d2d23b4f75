/* engine.h: the one state machine of a connection.
 *
 * hf_engine_step(engine, now, event) is a pure function on the caller's struct:
 * it answers what must be done (HF_DO_*) and what must be told (HF_TELL_*), and
 * leaves in `deadline` the time at which the caller has to step it with
 * HF_INPUT_TIMER. The table in engine.c (states x inputs -> state, actions) is
 * the whole behaviour, and docs/reference/states.md prints the same one. Options are
 * shared by any number of engines and never written; the engine owns no memory
 * and knows no clock, no link and no thread. Any thread may call, one at a time per engine.
 */
#ifndef HF_CORE_ENGINE_H
#define HF_CORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/backoff.h"
#include "core/reason.h"

typedef enum hf_state {
  HF_STATE_IDLE,
  HF_STATE_CONNECTING,
  HF_STATE_CONNECTED,
  HF_STATE_WAITING,
  HF_STATE_SLEEPING,
  HF_STATE_CLOSED,
  HF_STATES
} hf_state;

typedef enum hf_input {
  HF_INPUT_START,
  HF_INPUT_CONNECTED, /* CONNACK accepted */
  HF_INPUT_FAILED,    /* the attempt ended without a connection: reason, code */
  HF_INPUT_LOST,      /* the connection ended: reason, code */
  HF_INPUT_TIMER,     /* now >= deadline */
  HF_INPUT_WAKE,      /* leave the sleep */
  HF_INPUT_RECONNECT, /* leave the sleep, cut the wait short; when connected: anew at once */
  HF_INPUT_HINT,      /* the network has changed: cut the wait short with jitter; when connected: probe */
  HF_INPUT_DELAY,     /* a user's strategy answered: wait `delay` ms, counted from the failure; when connecting: the
                         attempt stands in line for `delay` ms before its time begins to count */
  HF_INPUT_REFUSE,    /* a user's strategy answered: no more */
  HF_INPUT_HOLD,      /* stay away from the broker until RELEASE: reason */
  HF_INPUT_RELEASE,
  HF_INPUT_CLOSE,
  HF_INPUTS,
  /* What the engine makes of three of them when no attempt follows: class stop, max_attempts, a backoff that never
   * retries. Columns of the table, never given to hf_engine_step. */
  HF_INPUT_FAILED_FINALLY = HF_INPUTS,
  HF_INPUT_LOST_FINALLY,
  HF_INPUT_TIMER_FINALLY,
  HF_COLUMNS
} hf_input;

enum {                            /* what the caller must do, then tell, each in this order */
       HF_DO_ABANDON = 1 << 0,    /* end the attempt, or the connection, without a word */
       HF_DO_DISCONNECT = 1 << 1, /* end the connection with DISCONNECT */
       HF_DO_CONNECT = 1 << 2,    /* begin an attempt on engine->server */
       HF_DO_PROBE = 1 << 3,      /* find out whether the broker still answers */
       HF_TELL_STABLE = 1 << 8,   /* up for stable_after: the counters are reset */
       HF_TELL_FAILED = 1 << 9,
       HF_TELL_LOST = 1 << 10,
       HF_TELL_SLEEPING = 1 << 11, /* hf_engine_sleep_reason tells why */
       HF_TELL_CONNECTING = 1 << 12,
       HF_TELL_CONNECTED = 1 << 13,
       HF_TELL_CLOSED = 1 << 14,
};

#define HF_NEVER INT64_MAX

typedef struct hf_class_rule { /* what a policy makes of one row of the reason table */
  uint8_t cls;                 /* hf_class */
  uint8_t later;
  uint8_t after;
  bool own; /* the policy's word, not the table's: with several servers, too, slow means slow */
} hf_class_rule;

typedef struct hf_engine_options {
  hf_backoff_options backoff; /* class retry, and switch */
  hf_backoff_options slow;    /* class slow */
  const hf_class_rule *rules; /* hf_reason_count() of them, or NULL for the table's own */
  uint32_t connect_timeout;   /* ms */
  uint32_t stable_after;      /* ms */
  uint32_t max_attempts;      /* failures in a row before the sleep; 0: no limit */
  uint32_t sleep_for;         /* ms; 0: until woken */
  uint64_t pairs;             /* a bit for each server that is one place with the next: both are tried in one attempt */
  uint16_t server_count;      /* >= 1 */
} hf_engine_options;

typedef struct hf_engine {
  const hf_engine_options *options;
  const hf_reason *reason; /* why it is not connected, or was not; NULL at first */
  hf_backoff backoff;
  int64_t deadline;   /* ms on the caller's clock; HF_NEVER when there is none */
  int64_t since;      /* when the state began */
  int64_t down_since; /* when the connection was lost, or START; for `downtime` */
  uint64_t worked;    /* a bit for each server that has accepted a connection; the last is for all from the 64th on */
  uint32_t delay;     /* ms chosen last */
  uint32_t attempt;   /* attempts since the last stable connection; the running one included */
  int16_t code;       /* the number behind `reason` as it came */
  int16_t repeat_code;
  uint16_t server; /* of the running, or else of the next attempt */
  uint8_t repeat_source;
  uint8_t hints;   /* that were acted upon since the last stable connection, saturating */
  uint8_t repeats; /* the same (source, code) in a row, saturating */
  uint8_t state;   /* hf_state */
  uint8_t cls;     /* hf_class that `reason` was given */
  bool held;
  bool elsewhere; /* the next attempt goes where the caller was sent, not to a server of the list */
  bool stable;    /* HF_TELL_STABLE has been told for this connection */
} hf_engine;

_Static_assert(sizeof(hf_engine) <= 128, "a fleet simulation runs a million engines");

typedef struct hf_engine_event {
  hf_input input;
  const hf_reason *reason; /* FAILED, LOST, HOLD; NULL elsewhere */
  int code;                /* as it came, for an unassigned one too */
  bool elsewhere;   /* FAILED, LOST: the caller knows another server for the next attempt, though the list does not */
  bool cured;       /* LOST: what the connection ended over has been found, and is not sent again */
  bool spent;       /* LOST: it may have been something that is gone, and says nothing of the next connection */
  bool second;      /* CONNECTED: it is with the second server of the pair */
  bool same_server; /* RECONNECT of a connection: not to the first server of the list, but to the one it is with */
  uint32_t delay;   /* DELAY, in ms */
  uint32_t least;   /* FAILED: ms that this server asks to be left alone, on top of a wait that is shorter */
} hf_engine_event;

void hf_engine_init(hf_engine *engine, const hf_engine_options *options, uint64_t seed, int64_t now);

/* The HF_DO_* and HF_TELL_* of this step, 0 when the event means nothing in this state. HINT and DELAY may move the
 * deadline, and HINT wake a sleeper up into WAITING, with nothing to do or tell: read `deadline` after every step. */
unsigned hf_engine_step(hf_engine *engine, int64_t now, hf_engine_event event);

/* Why the engine sleeps: engine->reason when its class is stop, else client max_attempts or backoff_stopped; NULL when
 * it does not sleep. */
const hf_reason *hf_engine_sleep_reason(const hf_engine *engine);

const char *hf_state_name(int state); /* "waiting"; NULL when there is none */
const char *hf_input_name(int input); /* "connected"; for columns too */
int hf_input_find(const char *name);  /* of those that hf_engine_step takes; -1 when there is none */

/* The table, for the spec of docs/reference/states.md (input < HF_COLUMNS): false when the input means nothing in
 * this state. */
bool hf_engine_row(hf_state state, hf_input input, hf_state *next, unsigned *actions);

#endif
