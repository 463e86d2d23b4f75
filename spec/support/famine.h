/* famine.h: one request for memory that fails, and enough memory afterwards.
 *
 * Linked into a probe with --wrap, so that it stands before malloc(3) and its
 * kin for all C of the probe, and not for Lua or any library. One thread.
 */
#ifndef HF_SPEC_FAMINE_H
#define HF_SPEC_FAMINE_H

#include <stdbool.h>

void famine_fail(long number); /* the so-many-th request from now on, counted from 1; 0: none */
bool famine_has_failed(void);  /* since then */

#endif
