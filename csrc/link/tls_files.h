/* tls_files.h: the files that `tls` names, read as Paho reads them, and which of them is at fault.
 *
 * Paho reads them anew at each attempt, in the same order, and tells of one that
 * it cannot use what OpenSSL says, which is neither the option nor the path. Both
 * are said here; a pass phrase, or anything from within a file, never is.
 *
 * Waits for the disk, so it is for a thread that nobody else needs. Borrows what
 * it is given and keeps nothing.
 */
#ifndef HF_LINK_TLS_FILES_H
#define HF_LINK_TLS_FILES_H

#include <openssl/ssl.h>

#include "link/tls_check.h"

/* Loads them into `context`, at security level 1, as Paho does: the level proper belongs to the list of cipher suites,
 * which is to be set after it. False: HF_TLS_FILE and the words are in `finding`. */
bool hf_tls_load_files(SSL_CTX *context, const hf_link_tls *tls, hf_tls_finding *finding);

#endif
