/* gate_table.h: the way to an attempt, gates x inputs -> next gate, actions.
 *
 * Included by gate.c alone. A pair that is not listed means nothing. The keeper
 * finds out at each gate that it comes to whether there is anything to wait for;
 * if not, the input that goes on follows at once. Static data, any thread.
 */
#ifndef HF_CORE_GATE_TABLE_H
#define HF_CORE_GATE_TABLE_H

#include <stdint.h>

#include "core/gate.h"

typedef struct hf_gate_cell {
  bool listed;
  uint8_t next;
  uint8_t actions;
} hf_gate_cell;

#define ON(input, gate, actions) [HF_GATE_INPUT_##input] = {true, HF_GATE_##gate, actions}

// clang-format off
static const hf_gate_cell table[HF_GATES][HF_GATE_INPUTS] = {
  [HF_GATE_NONE] = {
    ON(BEGIN,    LEAVING,     0),
    ON(VAGUE,    LOOK,        0),
    ON(UNREAD,   FILES,       0),
  },
  [HF_GATE_LEAVING] = {
    ON(LEFT,     ASKED,       0),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_ASKED] = {
    ON(PLACED,   PLACE,       0),
    ON(UNPLACED, BUDGET,      0),
    ON(DUE,      BUDGET,      0),
    ON(LIMITED,  ASKED,       0),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_PLACE] = {
    ON(DUE,      CREDENTIALS, 0),
    ON(LIMITED,  ASKED,       0),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_BUDGET] = {
    ON(DUE,      CREDENTIALS, 0),
    ON(LIMITED,  ASKED,       0),
    ON(ABANDON,  NONE,        HF_GATE_RETURNS),
  },
  [HF_GATE_CREDENTIALS] = {
    ON(GIVEN,    NAME,        0),
    ON(REFUSED,  NONE,        HF_GATE_FAILS),
    ON(TIMEOUT,  NONE,        HF_GATE_FAILS),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_NAME] = {
    ON(RESOLVED, TRUST,       0),
    ON(REFUSED,  NONE,        HF_GATE_FAILS),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_TRUST] = {
    ON(TRUSTED,  LINK,        0),
    ON(REFUSED,  NONE,        HF_GATE_FAILS),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_LINK] = {
    ON(CLEAR,    NONE,        HF_GATE_OPENS),
    ON(DUE,      LINK,        0),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_LOOK] = {
    ON(DUE,      DIAGNOSIS,   0),
    ON(TIMEOUT,  NONE,        HF_GATE_RETURNS | HF_GATE_TELLS),
    ON(ABANDON,  NONE,        HF_GATE_RETURNS),
  },
  [HF_GATE_DIAGNOSIS] = {
    ON(FOUND,    NONE,        HF_GATE_TELLS),
    ON(REFUSED,  LOOK,        0),
    ON(TIMEOUT,  NONE,        HF_GATE_TELLS),
    ON(ABANDON,  NONE,        0),
  },
  [HF_GATE_FILES] = {
    ON(FOUND,    NONE,        HF_GATE_TELLS),
    ON(DUE,      FILES,       0),
    ON(TIMEOUT,  NONE,        HF_GATE_TELLS),
    ON(ABANDON,  NONE,        0),
  },
};
// clang-format on

#undef ON

#endif
