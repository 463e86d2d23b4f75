/* engine_table.h: the machine itself, states x inputs -> next state, actions.
 *
 * Included by engine.c alone. A pair that is not listed means nothing: the step
 * answers 0 and changes nothing. engine.c decides, before it looks here, whether
 * an input counts at all (a timer that is not due, a hint to a client that
 * sleeps for good, anything but RELEASE and CLOSE while held) and whether FAILED,
 * LOST and TIMER are the final ones. Static data, any thread.
 */
#ifndef HF_CORE_ENGINE_TABLE_H
#define HF_CORE_ENGINE_TABLE_H

#include "core/engine.h"

typedef struct hf_engine_cell {
  bool listed;
  uint8_t next;
  uint16_t actions;
} hf_engine_cell;

#define BEGIN (HF_DO_CONNECT | HF_TELL_CONNECTING)
#define ON(input, state, actions) [HF_INPUT_##input] = {true, HF_STATE_##state, actions}

// clang-format off
static const hf_engine_cell table[HF_STATES][HF_COLUMNS] = {
  [HF_STATE_IDLE] = {
    ON(START,          CONNECTING, BEGIN),
    ON(CLOSE,          CLOSED,     HF_TELL_CLOSED),
  },
  [HF_STATE_CONNECTING] = {
    ON(CONNECTED,      CONNECTED,  HF_TELL_CONNECTED),
    ON(FAILED,         WAITING,    HF_TELL_FAILED),
    ON(FAILED_FINALLY, SLEEPING,   HF_TELL_FAILED | HF_TELL_SLEEPING),
    ON(TIMER,          WAITING,    HF_DO_ABANDON | HF_TELL_FAILED),
    ON(TIMER_FINALLY,  SLEEPING,   HF_DO_ABANDON | HF_TELL_FAILED | HF_TELL_SLEEPING),
    ON(DELAY,          CONNECTING, 0),
    ON(CLOSE,          CLOSED,     HF_DO_ABANDON | HF_TELL_CLOSED),
  },
  [HF_STATE_CONNECTED] = {
    ON(LOST,           WAITING,    HF_TELL_LOST),
    ON(LOST_FINALLY,   SLEEPING,   HF_TELL_LOST | HF_TELL_SLEEPING),
    ON(TIMER,          CONNECTED,  HF_TELL_STABLE),
    ON(RECONNECT,      CONNECTING, HF_DO_DISCONNECT | HF_TELL_LOST | BEGIN),
    ON(HINT,           CONNECTED,  HF_DO_PROBE),
    ON(HOLD,           WAITING,    HF_DO_DISCONNECT | HF_TELL_LOST),
    ON(CLOSE,          CLOSED,     HF_DO_DISCONNECT | HF_TELL_CLOSED),
  },
  [HF_STATE_WAITING] = {
    ON(TIMER,          CONNECTING, BEGIN),
    ON(RECONNECT,      CONNECTING, BEGIN),
    ON(HINT,           WAITING,    0),
    ON(DELAY,          WAITING,    0),
    ON(REFUSE,         SLEEPING,   HF_TELL_SLEEPING),
    ON(RELEASE,        CONNECTING, BEGIN),
    ON(CLOSE,          CLOSED,     HF_TELL_CLOSED),
  },
  [HF_STATE_SLEEPING] = {
    ON(TIMER,          CONNECTING, BEGIN),
    ON(WAKE,           CONNECTING, BEGIN),
    ON(RECONNECT,      CONNECTING, BEGIN),
    ON(HINT,           WAITING,    0),
    ON(CLOSE,          CLOSED,     HF_TELL_CLOSED),
  },
};
// clang-format on

#undef BEGIN
#undef ON

#endif
