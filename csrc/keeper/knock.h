/* knock.h: whether a server accepts connections, found out off the keeper's path.
 *
 * A client that lives on a second choice may ask whether the first is back
 * before it gives up a connection that works. One knock is one TCP connection
 * that is closed at once, by a short-lived thread; the answer is a mail to the
 * keeper's inbox, which belongs to the keeper and holds a reference to its
 * client. For the keeper's thread; never blocks.
 */
#ifndef HF_KEEPER_KNOCK_H
#define HF_KEEPER_KNOCK_H

#include "keeper/client.h"
#include "sys/mailbox.h"

/* HF_COMMAND_KNOCKED follows, with `number` 1 when somebody opened. False when it cannot be tried: no answer then. */
bool hf_knock_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server);

#endif
