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

#endif
