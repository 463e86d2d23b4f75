/* inbox.h: messages on their way to Lua.
 *
 * A link that can hold an acknowledgement back is allowed as many as find room,
 * and keeps the rest; one that cannot is left when there is no room. For the
 * thread that turns the keeper.
 */
#ifndef HF_KEEPER_INBOX_H
#define HF_KEEPER_INBOX_H

#include "core/message.h"

typedef struct hf_client hf_client;

typedef enum hf_inbox_verdict {
  HF_INBOX_WELL,
  HF_INBOX_FULL,    /* and the link cannot be held back: the only way not to be given more is to be away */
  HF_INBOX_VIOLATED /* the connection must end: `wrong` */
} hf_inbox_verdict;

/* Takes messages that a link has told, from `mails` on, as long as they are this client's and all is well with them.
 * `mails` is behind them afterwards, and `count` more by so many. */
hf_inbox_verdict hf_inbox_messages(hf_client *client, hf_mail **mails, size_t *count, const char **wrong);

void hf_inbox_pass_on(hf_client *client);  /* messages that wait for memory */
void hf_inbox_opened(hf_client *client);   /* the link is new */
void hf_inbox_consumed(hf_client *client); /* Lua is done with some */
void hf_inbox_held(hf_client *client);     /* the inbox is full: what stands, and since when */

#endif
