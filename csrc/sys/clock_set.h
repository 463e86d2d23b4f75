/* clock_set.h: a descriptor that is readable once somebody has set the wall clock (timerfd_create(2), Linux).
 *
 * A machine without a battery starts in 1970, and a certificate is not valid then; as soon as it knows the time it is.
 * The caller owns the descriptor, waits for it to be readable and then reads it. One thread at a time.
 */
#ifndef HF_SYS_CLOCK_SET_H
#define HF_SYS_CLOCK_SET_H

#include <stdbool.h>

int hf_clock_set_open(void);             /* -1: not to be had */
bool hf_clock_set_read(int descriptor);  /* whether it has been set since; never blocks */
void hf_clock_set_close(int descriptor); /* -1 is none */

#endif
