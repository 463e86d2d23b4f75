/* command.h: mail for a keeper that is not a link's: what Lua asks for, what errands bring, signals.
 *
 * A command is one block with its texts, made by whichever thread asks, and holds
 * a reference to its client; the keeper frees it once it is handled, and the
 * mailbox's end those that never were.
 */
#ifndef HF_KEEPER_COMMAND_H
#define HF_KEEPER_COMMAND_H

#include <stdatomic.h>

#include "core/mail.h"
#include "core/subscriptions.h"
#include "keeper/client.h"
#include "link/link.h"

enum hf_command_kind {
  HF_COMMAND_PUBLISH = HF_MAIL_COMMAND_BASE, /* hf_publish */
  HF_COMMAND_WITHDRAW,                       /* hf_event, which becomes the answer */
  HF_COMMAND_SUBSCRIBE,                      /* hf_wishing */
  HF_COMMAND_UNSUBSCRIBE,                    /* likewise */
  HF_COMMAND_START,                          /* the rest are hf_commands */
  HF_COMMAND_WAKE,
  HF_COMMAND_RECONNECT,
  HF_COMMAND_NETWORK_CHANGED,
  HF_COMMAND_CREDENTIALS,
  HF_COMMAND_DELAY,
  HF_COMMAND_RESOLVED,  /* hf_resolved */
  HF_COMMAND_KNOCKED,   /* hf_knocked */
  HF_COMMAND_TRUSTED,   /* hf_trusted */
  HF_COMMAND_DIAGNOSED, /* hf_diagnosed */
  HF_COMMAND_TURN,      /* in `number` ms this attempt may begin; below 0: Lua does not know */
  HF_COMMAND_LIMIT,     /* for the keeper, owner NULL: attempts in 1,000 s, the burst, whether Lua is asked (`wish`) */
  HF_COMMAND_TRACE,     /* for the keeper, owner NULL: an hf_trace_level */
  HF_COMMAND_STOP,      /* for the keeper, owner NULL: the process ends */
  HF_COMMAND_SIGNALS,   /* hf_signals from here on: HF_COMMAND_SIGNALS plus one of these */
};

/* Commands of which one that is on its way says all, so that they are at most one a client and live in it. */
typedef enum hf_signal_kind {
  HF_SIGNAL_CLOSE,     /* within `close_within` */
  HF_SIGNAL_RELEASE,   /* Lua has drained enough */
  HF_SIGNAL_CONSUMED,  /* messages may be acknowledged, or there is room for more */
  HF_SIGNAL_NOT_KEPT,  /* the store would not take a post */
  HF_SIGNAL_COMMITTED, /* what is done is out of the store */
  HF_SIGNAL_TENDED,    /* what the store wrote is on the medium */
  HF_SIGNAL_REAP,      /* from the keeper to itself: everything of this client has been handled */
  HF_SIGNAL_COUNT
} hf_signal_kind;

typedef struct hf_signal {
  hf_mail mail;
  atomic_bool under_way;
} hf_signal;

typedef struct hf_command {
  hf_mail mail;
  uint64_t id;
  int64_t number;  /* a delay, a timeout */
  uint32_t wish;   /* or a ticket */
  bool failed;     /* CREDENTIALS: first is why */
  hf_bytes first;  /* user name; inside the block */
  hf_bytes second; /* password */
  char data[];
} hf_command;

typedef struct hf_wishing {
  hf_mail mail;
  hf_wish *wish; /* NULL: it is no longer wanted */
  uint32_t number;
} hf_wishing;

void hf_command_free(hf_command *command); /* its secrets are wiped */
void hf_wishing_free(hf_wishing *wishing);
void hf_commands_discard(hf_mail *mail); /* of any kind, and its reference */

#endif
