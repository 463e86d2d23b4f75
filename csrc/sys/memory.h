/* memory.h: a large block of memory.
 *
 * On pages of the usual size the first touch of each is a fault, which takes
 * longer than to fill it, and nearly every access to a block of some hundred
 * megabytes begins with a walk through the page tables; the system is asked for
 * huge ones, which it may refuse. The caller owns the block and frees it with
 * free(). Any thread.
 */
#ifndef HF_SYS_MEMORY_H
#define HF_SYS_MEMORY_H

#include <stddef.h>

/* NULL when memory is short. */
void *hf_large_block(size_t size);

#endif
