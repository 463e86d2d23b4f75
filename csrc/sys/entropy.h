/* entropy.h: seeds for the private generators and for random client ids.
 *
 * From the operating system (getrandom(2)); never from the clock alone, or a
 * fleet that boots together would draw the same delays. No state. Any thread.
 */
#ifndef HF_SYS_ENTROPY_H
#define HF_SYS_ENTROPY_H

#include <stdint.h>

uint64_t hf_entropy(void);

#endif
