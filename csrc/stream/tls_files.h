/* tls_files.h: the files that `tls` names, and which of them is at fault.
 *
 * OpenSSL tells of a file that it cannot use neither the option nor the path.
 * Both are said here; a pass phrase, or anything from within a file, never is,
 * and nobody is asked for one on a terminal.
 *
 * Waits for the disk, so it is for a thread that nobody else needs. Borrows what
 * it is given and keeps nothing.
 */
#ifndef HF_STREAM_TLS_FILES_H
#define HF_STREAM_TLS_FILES_H

#include "stream/openssl.h"
#include "stream/tls.h"
#include "stream/tls_names.h"

/* All of them as Paho reads them at each attempt, in the same order and at security level 1: the level proper belongs
 * to the list of cipher suites, which is to be set after it. False: HF_TLS_FILE and the words are in `finding`, or the
 * words alone where the process had no descriptor or memory left, which says nothing about the files. */
bool hf_tls_load_files(SSL_CTX *context, const hf_tls_options *tls, hf_tls_finding *finding);

/* The client's certificate chain and key alone, at whatever level the context has. */
bool hf_tls_load_own(SSL_CTX *context, const hf_tls_options *tls, hf_tls_finding *finding);

/* Always false. What OpenSSL, or the system, said first, about a file in which `what` was looked for; or an error of
 * the system's. */
bool hf_tls_unreadable(hf_tls_finding *finding, const char *option, const char *path, const char *what);
bool hf_tls_unread(hf_tls_finding *finding, const char *option, const char *path, int error);

/* Whether that says of the process, or of the system, that it has no descriptor or memory left. */
bool hf_tls_is_short(int error);
bool hf_tls_is_starved(void); /* what OpenSSL complains of is want of memory */

#endif
