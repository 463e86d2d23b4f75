/* look.h: what is wrong with TLS, or with the files it needs, found out off the keeper's path.
 *
 * A look is one connection of its own that ends with the handshake, or none where
 * only the files are looked at (link/tls_check.h), on an errand. The answer is a
 * mail to the keeper's inbox, which belongs to the keeper and holds a reference to
 * its client. For the keeper's thread; never blocks.
 */
#ifndef HF_KEEPER_LOOK_H
#define HF_KEEPER_LOOK_H

#include "keeper/question.h"
#include "link/tls_check.h"

typedef struct hf_diagnosed { /* HF_COMMAND_DIAGNOSED */
  hf_question question;
  const hf_server *server; /* NULL: the files are looked at, and nobody is asked */
  int64_t deadline;
  hf_tls_finding finding;
} hf_diagnosed;

/* Without a server only the client's files are looked at. False when it cannot be tried now: no answer then. */
bool hf_look_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server, int64_t deadline);

#endif
