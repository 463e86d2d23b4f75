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

/* EACH(name, what the mail is: hf_<what>); FIRST the same. */
// clang-format off
#define HF_COMMAND_KINDS(FIRST, EACH)                                                                                  \
  FIRST(PUBLISH, publish)                                                                                              \
  EACH(PUBLISHES, publishes) /* an hf_publish_block */                                                                 \
  EACH(WITHDRAW, event) /* which becomes the answer */                                                                 \
  EACH(SUBSCRIBE, wishing)                                                                                             \
  EACH(UNSUBSCRIBE, wishing)                                                                                           \
  EACH(START, command)                                                                                                 \
  EACH(WAKE, command)                                                                                                  \
  EACH(RECONNECT, command)                                                                                             \
  EACH(NETWORK_CHANGED, command)                                                                                       \
  EACH(CREDENTIALS, command)                                                                                           \
  EACH(AUTHENTICATE, command)                                                                                          \
  EACH(REAUTHENTICATE, command)                                                                                        \
  EACH(DELAY, command)                                                                                                 \
  EACH(TURN, command) /* in `number` ms this attempt may begin; below 0: Lua does not know */                          \
  EACH(RESOLVED, resolved)                                                                                             \
  EACH(FOUND, found)                                                                                                   \
  EACH(KNOCKED, knocked)                                                                                               \
  EACH(PROVED, proof)                                                                                                  \
  EACH(TRUSTED, trusted)                                                                                               \
  EACH(DIAGNOSED, diagnosed)                                                                                           \
  /* for the keeper, owner NULL: */                                                                                    \
  EACH(LIMIT, command) /* attempts in 1,000 s, the burst, whether Lua is asked (`wish`) */                             \
  EACH(TRACE, command) /* an hf_trace_level */                                                                         \
  EACH(STOP, command)  /* the process ends */
// clang-format on

enum hf_command_kind {
#define FIRST(name, what) HF_COMMAND_##name = HF_MAIL_COMMAND_BASE,
#define EACH(name, what) HF_COMMAND_##name,
  HF_COMMAND_KINDS(FIRST, EACH)
#undef FIRST
#undef EACH
      HF_COMMAND_SIGNALS /* hf_signals from here on: HF_COMMAND_SIGNALS plus one of these */
};

/* Commands of which one that is on its way says all, so that they are at most one a client and live in it. */
typedef enum hf_signal_kind {
  HF_SIGNAL_CLOSE,     /* within `close_within` */
  HF_SIGNAL_RELEASE,   /* Lua has drained enough */
  HF_SIGNAL_CONSUMED,  /* messages may be acknowledged, or there is room for more */
  HF_SIGNAL_NOT_KEPT,  /* the store would not take a post */
  HF_SIGNAL_COMMITTED, /* what is done is out of the store */
  HF_SIGNAL_TENDED,    /* what the store wrote is on the medium */
  HF_SIGNAL_LOOK,      /* somebody wants to know of the way to the broker */
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
  int64_t number;          /* a delay, a timeout */
  uint32_t wish;           /* or a ticket */
  bool failed;             /* the first part is why */
  struct hf_event *answer; /* of REAUTHENTICATE what will be told; NULL: taken, or none */
  hf_given given; /* CREDENTIALS; of AUTHENTICATE the first two are what to say, and to expect; inside the block */
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
