/* knock.h: whether a server accepts connections, found out off the keeper's path.
 *
 * A client that lives on a second choice may ask whether the first is back
 * before it gives up a connection that works. One knock is one TCP connection
 * that is closed at once, or at a server of QUIC one datagram and its answer
 * (core/quic_probe.h), on an errand; clients that want to know of the same
 * server share it. The answer is a mail to the keeper's inbox, which belongs to
 * the keeper and holds a reference to its client. For the keeper's thread; never
 * blocks.
 */
#ifndef HF_KEEPER_KNOCK_H
#define HF_KEEPER_KNOCK_H

#include "keeper/question.h"

typedef struct hf_knocked { /* HF_COMMAND_KNOCKED */
  hf_question question;
  const hf_server *server; /* lives as long as the client */
  bool opened;             /* somebody did */
} hf_knocked;

/* False when it cannot be tried: no answer then. */
bool hf_knock_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server);

#endif
