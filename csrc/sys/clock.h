/* clock.h: monotonic time, the only clock there is above the core; and the wall's, for what must outlive the process.
 *
 * No state, nothing to own. Any thread. Specs never call it: what has to run on
 * virtual time takes `now` as an argument.
 */
#ifndef HF_SYS_CLOCK_H
#define HF_SYS_CLOCK_H

#include <stdint.h>

int64_t hf_clock_ms(void); /* CLOCK_MONOTONIC, milliseconds */
int64_t hf_clock_us(void); /* the same, microseconds */

int64_t hf_clock_wall_ms(void); /* CLOCK_REALTIME, milliseconds since 1970 */

#endif
