/* saslprep.h: user names and passwords in the form that both sides of SCRAM compute with (RFC 4013; RFC 5802, which
 * demands it, or ASCII alone).
 *
 * ASCII is that already, or is refused. For all else the tables of Unicode are
 * libidn's, which is loaded for the first text that needs them (sys/library.h):
 * its name and functions have stayed for years, where ICU's change with each
 * release and libidn2 has no such profile. What libidn copies for itself it does
 * not wipe. Waits for the disk, once; any thread.
 */
#ifndef HF_STREAM_SASLPREP_H
#define HF_STREAM_SASLPREP_H

#include <stdbool.h>

#include "core/properties.h"

bool hf_saslprep_needs_library(hf_bytes text);
bool hf_saslprep_load(char *problem); /* HF_LIBRARY_PROBLEM bytes, which say why not */

/* NULL, and `prepared` is the caller's, NUL-ended, to be wiped; or what is wrong with the text, in static words that go
 * on behind its name. A name is a query, which may have characters that Unicode has not assigned yet. What needs the
 * library must have it. */
const char *hf_saslprep(hf_bytes text, bool is_name, char **prepared);

#endif
