#include "core/gate.h"

#include <stddef.h>

#include "core/gate_table.h"

bool hf_gate_row(hf_gate gate, hf_gate_input input, hf_gate *next, unsigned *actions) {
  if ((unsigned)gate >= HF_GATES || (unsigned)input >= HF_GATE_INPUTS || !table[gate][input].listed) return false;
  *next = table[gate][input].next;
  *actions = table[gate][input].actions;
  return true;
}

bool hf_gate_takes(hf_gate gate, hf_gate_input input) {
  hf_gate next;
  unsigned actions;
  return hf_gate_row(gate, input, &next, &actions);
}

static const char *const gate_names[HF_GATES] = {
    [HF_GATE_NONE] = "none",   [HF_GATE_LEAVING] = "leaving",     [HF_GATE_ASKED] = "asked",
    [HF_GATE_PLACE] = "place", [HF_GATE_BUDGET] = "budget",       [HF_GATE_CREDENTIALS] = "credentials",
    [HF_GATE_NAME] = "name",   [HF_GATE_TRUST] = "trust",         [HF_GATE_LINK] = "link",
    [HF_GATE_LOOK] = "look",   [HF_GATE_DIAGNOSIS] = "diagnosis", [HF_GATE_FILES] = "files",
};

static const char *const input_names[HF_GATE_INPUTS] = {
    [HF_GATE_INPUT_BEGIN] = "begin",       [HF_GATE_INPUT_LEFT] = "left",         [HF_GATE_INPUT_PLACED] = "placed",
    [HF_GATE_INPUT_UNPLACED] = "unplaced", [HF_GATE_INPUT_DUE] = "due",           [HF_GATE_INPUT_LIMITED] = "limited",
    [HF_GATE_INPUT_GIVEN] = "given",       [HF_GATE_INPUT_RESOLVED] = "resolved", [HF_GATE_INPUT_TRUSTED] = "trusted",
    [HF_GATE_INPUT_CLEAR] = "clear",       [HF_GATE_INPUT_VAGUE] = "vague",       [HF_GATE_INPUT_UNREAD] = "unread",
    [HF_GATE_INPUT_FOUND] = "found",       [HF_GATE_INPUT_REFUSED] = "refused",   [HF_GATE_INPUT_TIMEOUT] = "timeout",
    [HF_GATE_INPUT_ABANDON] = "abandon",
};

const char *hf_gate_name(int gate) {
  return gate >= 0 && gate < HF_GATES ? gate_names[gate] : NULL;
}

const char *hf_gate_input_name(int input) {
  return input >= 0 && input < HF_GATE_INPUTS ? input_names[input] : NULL;
}
