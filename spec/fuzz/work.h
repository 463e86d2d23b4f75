/* work.h: what a call costs, counted and not timed.
 *
 * Fuzzers, and the probes that say so in the Makefile, have a csrc/core of their
 * own, compiled so that each basic block counts itself. What is counted is the
 * same on every machine; a call into libc counts as one. One thread.
 */
#ifndef HF_SPEC_FUZZ_WORK_H
#define HF_SPEC_FUZZ_WORK_H

#include <stdint.h>

extern uint64_t work_done; /* blocks, since the program began */

/* More than any byte of a packet, or any level of a filter that a topic meets, may take. */
enum { WORK_EACH = 40, WORK_AT_LEAST = 400 };

/* For what takes bytes from the wire: evaluates `call` and promises (bytes.h) that it was linear in `size`. */
#define linear(size, call)                                                                                             \
  do {                                                                                                                 \
    uint64_t work_before = work_done;                                                                                  \
    call;                                                                                                              \
    promise(work_done > work_before);                                                                                  \
    promise(work_done - work_before <= WORK_AT_LEAST + WORK_EACH * (uint64_t)(size));                                  \
  } while (0)

#endif
