/* client.h: a client as the Lua side holds it: a counted handle, commands in, a snapshot out.
 *
 * Every function here may be called from any thread, never blocks and never
 * enters a link: a command is a mail in the keeper's inbox. What `post` needs
 * to know on the spot (is there room?) are atomic credits; what `status` shows
 * is a snapshot that the keeper publishes. The handle is counted: one reference
 * for whoever made it, one for the keeper until the client is closed and gone.
 */
#ifndef HF_KEEPER_CLIENT_H
#define HF_KEEPER_CLIENT_H

#include "core/message.h"
#include "core/subscriptions.h"
#include "keeper/options.h"
#include "store/store.h"
#include "sys/mailbox.h"

typedef struct hf_client hf_client;
typedef struct hf_keeper hf_keeper;

typedef enum hf_admission {
  HF_ADMITTED,
  HF_QUEUE_FULL,
  HF_TOO_LARGE,
  HF_CLIENT_IS_CLOSED,
  HF_NOT_KEPT,
  HF_NO_MEMORY
} hf_admission;

/* Takes the options over, also when it fails (NULL: `problem` says why). Events go to `mailbox`, under the number `id`.
 * Opens the store if there is to be one, which takes as long as the disk does. */
hf_client *hf_client_new(hf_keeper *keeper, hf_client_options *options, hf_mailbox *mailbox, uint32_t id,
                         hf_store_problem *problem);

/* How the broker is left, should the attempt have a will; what has been said once is not taken back by a lower one. */
typedef enum hf_farewell {
  HF_FAREWELL_NONE,    /* nobody has said goodbye: the will is published */
  HF_FAREWELL_GOODBYE, /* it is thrown away */
  HF_FAREWELL_WILL     /* leaves in good manners, but for the will, which is published */
} hf_farewell;

/* The handle's end: close without waiting and without a word to anyone. */
void hf_client_release(hf_client *client);

/* Every mail that names a client holds a reference; the last one dropped frees it. */
hf_client *hf_client_hold(hf_client *client);
void hf_client_hold_more(hf_client *client, unsigned count); /* so many references */
void hf_client_drop_more(hf_client *client, unsigned count);
void hf_client_drop(hf_client *client);

uint32_t hf_client_id(const hf_client *client);
const hf_client_options *hf_client_options_of(const hf_client *client);

void hf_client_close(hf_client *client, uint32_t timeout, hf_farewell farewell);

/* What holds when it ends by itself, as with the process. */
void hf_client_say(hf_client *client, hf_farewell farewell);

bool hf_client_start(hf_client *client); /* all of these: false when memory is short */
bool hf_client_wake(hf_client *client);
bool hf_client_reconnect(hf_client *client);
bool hf_client_network_changed(hf_client *client);
bool hf_client_subscribe(hf_client *client, uint32_t wish, hf_bytes filter, hf_wish_options options,
                         const hf_properties *properties);
void hf_client_unsubscribe(hf_client *client, uint32_t wish); /* once for each of these; never fails */
bool hf_client_withdraw(hf_client *client, uint64_t publish);

typedef enum hf_given_part {
  HF_GIVEN_USERNAME,
  HF_GIVEN_PASSWORD,
  HF_GIVEN_HEADERS, /* lines with their ends */
  HF_GIVEN_PROXY,   /* an address that hf_proxy_parse takes; absent: directly */
  HF_GIVEN_SERVER,  /* an address that hf_uri_parse takes; absent: the options' own */
  HF_GIVEN_AUTH,    /* the first word of enhanced authentication */
  HF_GIVEN_PARTS
} hf_given_part;

typedef struct hf_given { /* for one attempt; what is absent has data NULL */
  hf_bytes of[HF_GIVEN_PARTS];
} hf_given;

/* Answers to HF_EVENT_CREDENTIALS and HF_EVENT_DELAY. `failure` is why nothing is given, or NULL. A delay below 0
 * means: no more attempts. */
bool hf_client_credentials(hf_client *client, uint32_t ticket, const hf_given *given, const char *failure);
bool hf_client_delay(hf_client *client, uint32_t ticket, int64_t delay);

/* Answers HF_EVENT_AUTHENTICATE; `expected`: what the broker's last word must be, or data NULL: anything. */
bool hf_client_authenticate(hf_client *client, uint32_t ticket, hf_bytes data, hf_bytes expected, const char *failure);

/* Enhanced authentication once more while connected; `data` is the first word of the user's functions.
 * HF_EVENT_AUTHENTICATED answers with this ticket, once, unless the client ends. */
bool hf_client_reauthenticate(hf_client *client, uint32_t ticket, hf_bytes data);

/* Answers HF_EVENT_TURN: ms until the attempt may begin; below 0: nobody knows, the process's own budget decides. */
bool hf_client_turn(hf_client *client, uint32_t ticket, int64_t wait);

/* Takes the publish over when it answers HF_ADMITTED, and says under which `id`; the caller keeps it otherwise. After
 * HF_QUEUE_FULL, which comes with HF_OVERFLOW_REJECT only, one HF_EVENT_ROOM will come. `ttl`: ms within which it must
 * be sent, below 0: any; `age`: ms of those, and of its message expiry, that are over already. */
hf_admission hf_client_post(hf_client *client, hf_publish *publish, int64_t ttl, int64_t age, uint64_t *id);

typedef struct hf_post { /* a message without properties */
  hf_bytes topic, payload;
  int64_t ttl;    /* ms within which it must be sent, below 0: any */
  uint32_t flags; /* HF_PUBLISH_NOTIFY, HF_PUBLISH_AWAITED: event.h */
  uint8_t qos;
  bool retain;
} hf_post;

/* The same, of a copy. */
hf_admission hf_client_post_copy(hf_client *client, const hf_post *post, uint64_t *id);

/* Why a post came back as HF_NOT_KEPT. */
void hf_client_store_trouble(hf_client *client, hf_store_problem *problem);

/* An HF_EVENT_OUTCOME has been taken by Lua: its room in the queue is free again, if it was not. Frees the publish. */
void hf_client_outcome_taken(hf_client *client, hf_publish *publish);

/* An hf_event has been taken by Lua. Frees it. */
void hf_client_event_taken(hf_client *client, hf_mail *event);

typedef struct hf_consumed {          /* what Lua is done with */
  size_t messages, bytes;             /* that count against the inbox; bytes of topics and payloads */
  size_t flood_messages, flood_bytes; /* of QoS 0, where they have an account of their own */
} hf_consumed;

/* Whether messages of QoS 0 count by themselves, and receipts are waited for. */
bool hf_client_holds_back(const hf_client *client);

/* Also tells the keeper of what has begun since. */
void hf_client_consumed(hf_client *client, hf_consumed consumed);

/* A message with this receipt (not 0) is about to be shown to Lua; then a taker has it, so that the broker may be told
 * when the keeper next hears of the client (hf_client_consumed). For the thread of its Lua state alone. False when
 * memory is short: then it must not be shown yet. */
bool hf_client_expect(hf_client *client, uint8_t qos, uint64_t receipt);
void hf_client_begun(hf_client *client, uint8_t qos, uint64_t receipt);

/* A message belongs to no subscription and is dropped, for nobody listens. */
void hf_client_unclaimed(hf_client *client);

/* By this wish come answers to questions of ours, for which there is room beyond that of others at QoS 0. */
void hf_client_answers(hf_client *client, uint32_t wish);

/* One has been acknowledged though its handler has failed at it, as often as it may. */
void hf_client_parked(hf_client *client);

/* EACH(name): of a client, and of the process. */
#define HF_COUNTERS(EACH)                                                                                              \
  EACH(attempts)                                                                                                       \
  EACH(connects)                                                                                                       \
  EACH(reconnects)                                                                                                     \
  EACH(failures)                                                                                                       \
  EACH(losses)                                                                                                         \
  EACH(sent)                                                                                                           \
  EACH(delivered)                                                                                                      \
  EACH(dropped)                                                                                                        \
  EACH(received)                                                                                                       \
  EACH(inbox_dropped)                                                                                                  \
  EACH(unclaimed)                                                                                                      \
  EACH(parked)                                                                                                         \
  EACH(events_dropped)

typedef struct hf_counters {
#define COUNTER(name) uint64_t name;
  HF_COUNTERS(COUNTER)
#undef COUNTER
} hf_counters;

/* What keeps a client away from its broker besides time. */
typedef enum hf_held_by { HF_HELD_BY_NOTHING, HF_HELD_BY_SLOW_CONSUMER, HF_HELD_BY_BUDGET } hf_held_by;

typedef struct hf_status {
  const hf_reason *reason; /* NULL: none */
  int64_t deadline;        /* when the state ends by itself, on hf_clock_ms; INT64_MAX: it does not */
  int64_t since;
  int64_t downtime;     /* ms that it was to be connected and was not, in all */
  int64_t down_since;   /* the same, since then; INT64_MAX: it is, or is not to be */
  int64_t queued_since; /* when the oldest message without an outcome was accepted; INT64_MAX: there is none */
  size_t queued_messages, queued_bytes, inbox_messages, inbox_bytes;
  size_t held_messages; /* of QoS 1 and 2 and not acknowledged, while the inbox is full; looked at once a second */
  int64_t held_since;   /* when one of them was last */
  hf_counters counters;
  uint32_t attempt;
  uint32_t session_expiry; /* in force */
  int code;
  const char *server;  /* its address, which lives as long as the client; NULL: none is known yet */
  uint16_t keep_alive; /* in force */
  uint8_t state;       /* hf_state */
  uint8_t cls;
  uint8_t protocol;
  bool session_present;
  bool ready;
  uint8_t held_by;   /* hf_held_by */
  uint8_t transport; /* hf_transport */
  bool has_path;     /* what follows is known */
  hf_stream_path path;
  int64_t path_at;    /* when it was looked at: at the connect, and when somebody has asked for that */
  char client_id[64]; /* cut if longer */
} hf_status;

typedef struct hf_attempt_record {
  const hf_reason *reason; /* NULL while it runs, or while the connection stands */
  int64_t started;
  int64_t delay;      /* ms chosen after it; HF_NO_TIME: none */
  const char *server; /* its address, which lives as long as the client; NULL: it was never known */
  int code;
  uint8_t phase; /* hf_phase */
  uint8_t cls;
} hf_attempt_record;

typedef struct hf_attempt_beside { /* another server that was tried in the same attempt, and not taken */
  const char *server;              /* NULL: none */
  hf_stream_rival rival;
} hf_attempt_beside;

enum { HF_HISTORY = 16 };

void hf_client_status(hf_client *client, hf_status *status);

void hf_client_look(hf_client *client); /* `path` is looked at anew, for the next status */

/* How many messages may be lost if it ends now: accepted, without an outcome, in no store. 0 once it was closed, which
 * is a decision. */
size_t hf_client_at_stake(hf_client *client);

/* Copies up to HF_HISTORY records, oldest first; returns how many. */
size_t hf_client_history(hf_client *client, hf_attempt_record records[HF_HISTORY],
                         hf_attempt_beside besides[HF_HISTORY]);

/* ---- totals of the process since its start ---- */

void hf_metrics(hf_counters *totals, size_t *clients);

/* ms that clients have wanted to be connected and were not, of all of them, those that are gone too. */
int64_t hf_metrics_downtime(void);

typedef struct hf_reason_counts {
  uint64_t failures; /* of attempts */
  uint64_t losses;   /* of connections */
} hf_reason_counts;

void hf_metrics_of_reason(size_t row, hf_reason_counts *counts); /* hf_reason_row */

/* EACH(name, word): why a message that was accepted has not been delivered; the first that its flags say. REFUSED: none
 * of the others. */
#define HF_DROPS(EACH)                                                                                                 \
  EACH(WITHDRAWN, "withdrawn")                                                                                         \
  EACH(KEPT, "kept")                                                                                                   \
  EACH(CLOSED, "closed")                                                                                               \
  EACH(TOO_LARGE, "too_large")                                                                                         \
  EACH(QOS, "qos_not_supported")                                                                                       \
  EACH(RETAIN, "retain_not_supported")                                                                                 \
  EACH(GUILTY, "disconnected")                                                                                         \
  EACH(OVERFLOW, "overflow")                                                                                           \
  EACH(EXPIRED, "expired")                                                                                             \
  EACH(REFUSED, "refused")

enum {
#define CAUSE(name, word) HF_DROP_##name,
  HF_DROPS(CAUSE)
#undef CAUSE
      HF_DROP_CAUSES
};

/* By `flags` of the hf_publish, or by its number. */
const char *hf_drop_name(uint32_t flags);
const char *hf_drop_cause(size_t cause);
uint64_t hf_metrics_of_drops(size_t cause);

/* How long messages have waited from the turn of the keeper in which they came until Lua was given them: in how many
 * it was up to each of the bounds (us) and above the one before, and in the last beyond all. */
enum { HF_DISPATCH_BOUNDS = 17 };
extern const int64_t hf_dispatch_bounds[HF_DISPATCH_BOUNDS];

typedef struct hf_dispatch_counts {
  uint64_t messages[HF_DISPATCH_BOUNDS + 1];
  uint64_t microseconds; /* of all of them together */
} hf_dispatch_counts;

void hf_metrics_of_dispatch(hf_dispatch_counts *counts);

#endif
