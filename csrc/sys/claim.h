/* claim.h: a name that one holder on this machine has at a time.
 *
 * An abstract socket address (unix(7)), so there is no file to be left over: it is free again when
 * its holder lets go of it, or its process ends. One network namespace, any thread. Whoever else
 * takes the name on purpose only makes its holder look for another one.
 */
#ifndef HF_SYS_CLAIM_H
#define HF_SYS_CLAIM_H

#include <stddef.h>

enum { HF_CLAIM_TAKEN = -1, HF_CLAIM_UNKNOWN = -2, HF_CLAIM_LONGEST = 90 };

/* A descriptor to close, HF_CLAIM_TAKEN, or HF_CLAIM_UNKNOWN when the system does not tell. `length` is at most
 * HF_CLAIM_LONGEST. */
int hf_claim(const char *name, size_t length);

#endif
