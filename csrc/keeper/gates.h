/* gates.h: what an attempt finds at each gate of its way (core/gate.h).
 *
 * Where there is something to wait for it is asked for, or a place in a line is
 * taken; where there is not, the attempt goes on at once. For the thread that turns
 * the keeper.
 */
#ifndef HF_KEEPER_GATES_H
#define HF_KEEPER_GATES_H

#include "keeper/inside.h"

typedef struct hf_failure {
  const hf_reason *reason; /* NULL: there is none, and the attempt goes on */
  const char *text;        /* lives as long as what it was an answer to; NULL: none */
} hf_failure;

/* The input that goes on from the gate that has been come to; HF_GATE_WAITS: an answer of somebody else's will be it,
 * or HF_DUE_TURN. A refusal says why. */
hf_gate_input hf_gates_arrive(hf_client *client, hf_gate gate, hf_failure *failure);

/* The time in line is not the attempt's own. */
void hf_gates_stand_in_line(hf_client *client, int64_t wait);

bool hf_gates_open(hf_client *client); /* the link, with what has been gathered; false: memory is short */

#endif
