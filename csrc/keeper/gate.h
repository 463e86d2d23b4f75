/* gate.h: what an attempt still waits for before its link is opened, or its failure told.
 *
 * In the client, for the thread that turns the keeper.
 */
#ifndef HF_KEEPER_GATE_H
#define HF_KEEPER_GATE_H

/* What an attempt still waits for before the link is opened; DIAGNOSIS, FILES: before its failure is told. */
typedef enum hf_gate {
  HF_GATE_NONE,
  HF_GATE_LEAVING,
  HF_GATE_BUDGET, /* it has a place in the process's own line */
  HF_GATE_ASKED,  /* Lua is asked for a place in a line of several processes */
  HF_GATE_TURN,   /* and has given it one */
  HF_GATE_CREDENTIALS,
  HF_GATE_NAME,
  HF_GATE_TRUST, /* the files of tls are read */
  HF_GATE_LINK,
  HF_GATE_DIAGNOSIS, /* a look at the server */
  HF_GATE_FILES      /* a look at the files of tls, which has no place in any line */
} hf_gate;

#endif
