/* gate.h: the way to an attempt, and what is found out before its failure is told.
 *
 * A state machine beside the engine's, which is `connecting` all the while: at
 * each gate something is waited for, and what comes says which gate is next, and
 * what has to be done. The table (gate_table.h) is the whole of it, and
 * docs/reference/states.md prints the same one. Pure, static data: any thread.
 */
#ifndef HF_CORE_GATE_H
#define HF_CORE_GATE_H

#include <stdbool.h>

typedef enum hf_gate {
  HF_GATE_NONE,    /* nothing is waited for: the link has been opened, or there is no attempt */
  HF_GATE_LEAVING, /* the connection before has not ended yet */
  HF_GATE_ASKED,   /* Lua is asked for a place in a line of several processes */
  HF_GATE_PLACE,   /* and has given it one */
  HF_GATE_BUDGET,  /* it has a place in the process's own line */
  HF_GATE_CREDENTIALS,
  HF_GATE_NAME,
  HF_GATE_TRUST, /* the files of tls are read */
  HF_GATE_LINK,
  HF_GATE_LOOK,      /* it has failed, and has a place in the process's line for a look at the server */
  HF_GATE_DIAGNOSIS, /* which is taken */
  HF_GATE_FILES,     /* it has failed, and the files of tls are looked at, which needs no place */
  HF_GATES
} hf_gate;

typedef enum hf_gate_input {
  HF_GATE_INPUT_BEGIN,
  HF_GATE_INPUT_LEFT,     /* there is no connection before, or not any more */
  HF_GATE_INPUT_PLACED,   /* Lua has given a place */
  HF_GATE_INPUT_UNPLACED, /* Lua is not asked, or does not know */
  HF_GATE_INPUT_DUE,      /* its turn has come, or the time to ask again */
  HF_GATE_INPUT_LIMITED,  /* the budget has been changed */
  HF_GATE_INPUT_GIVEN,    /* the credentials are there, or are the options' own */
  HF_GATE_INPUT_RESOLVED, /* likewise addresses, or none are needed */
  HF_GATE_INPUT_TRUSTED,  /* likewise what TLS needs */
  HF_GATE_INPUT_CLEAR,    /* the link may open */
  HF_GATE_INPUT_VAGUE,    /* the link could not say what is wrong with TLS */
  HF_GATE_INPUT_UNREAD,   /* the link may have failed over a file */
  HF_GATE_INPUT_FOUND,    /* the look is over */
  HF_GATE_INPUT_REFUSED,  /* what is waited for is not to be had */
  HF_GATE_INPUT_TIMEOUT,  /* the attempt's time is over; where it means nothing, the engine has it */
  HF_GATE_INPUT_ABANDON,
  HF_GATE_INPUTS,
  HF_GATE_WAITS = HF_GATE_INPUTS /* none of them */
} hf_gate_input;

enum {                           /* what must be done */
       HF_GATE_RETURNS = 1 << 0, /* the place in the process's line is given back */
       HF_GATE_OPENS = 1 << 1,   /* the link is opened */
       HF_GATE_FAILS = 1 << 2,   /* the attempt has, before it had a link */
       HF_GATE_TELLS = 1 << 3,   /* the failure that was held back goes its way */
};

/* False when the input means nothing at this gate. */
bool hf_gate_row(hf_gate gate, hf_gate_input input, hf_gate *next, unsigned *actions);

bool hf_gate_takes(hf_gate gate, hf_gate_input input); /* whether it means anything there */

const char *hf_gate_name(int gate); /* "budget"; NULL when there is none */
const char *hf_gate_input_name(int input);

#endif
