/* clock.h: time that never goes back, the only clock there is above the core; and the wall's, for what must outlive the
 * process.
 *
 * No state, nothing to own. Any thread. Specs never call it: what has to run on
 * virtual time takes `now` as an argument.
 */
#ifndef HF_SYS_CLOCK_H
#define HF_SYS_CLOCK_H

#include <stdint.h>
#include <time.h>

/* What a machine sleeps is time, too: a message gets older, and the broker counts a session's expiry through it. (Who
 * is in poll(2) waits for the rest of its timeout all the same; an hf_alarm does not.) */
#ifdef CLOCK_BOOTTIME
#define HF_CLOCK CLOCK_BOOTTIME
#else
#define HF_CLOCK CLOCK_MONOTONIC
#endif

int64_t hf_clock_ms(void); /* HF_CLOCK, milliseconds */
int64_t hf_clock_us(void); /* the same, microseconds */

int64_t hf_clock_wall_ms(void); /* CLOCK_REALTIME, milliseconds since 1970 */

#endif
