/* subscriptions.h: what the application wants to hear, and what must be sent so that it does.
 *
 * A wish is one subscription of the application, named by a number of its own.
 * Wishes for the same topic filter share one broker subscription (an entry) at
 * the higher QoS. The set knows what this session of the broker has confirmed,
 * so after a connect it asks for everything (no session) or only for what
 * changed while away (session present). It owns its entries and wishes. What a
 * wish needs of memory is had when it is made, so that nothing can fail from when
 * it enters a set until it has left. No I/O: one thread at a time.
 */
#ifndef HF_CORE_SUBSCRIPTIONS_H
#define HF_CORE_SUBSCRIPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mail.h"
#include "core/properties.h"

typedef struct hf_wish_options {
  uint8_t qos;
  bool no_local;
  bool retain_as_published;
  uint8_t retain_handling; /* 0 send retained, 1 only if new, 2 never (MQTT 5 section 3.8.3.1) */
  uint32_t identifier;     /* 0: the set chooses one per filter; else the user's own, 1 .. 268,435,455 */
} hf_wish_options;

typedef struct hf_subscriptions hf_subscriptions;

typedef struct hf_subscription_request { /* one SUBSCRIBE or UNSUBSCRIBE of one filter */
  uint32_t ticket;                       /* for hf_subscriptions_answer */
  bool subscribe;
  hf_bytes filter;                 /* belongs to the set; valid until the next call that changes it */
  hf_wish_options options;         /* of the entry: highest QoS of its wishes, the rest of the newest wish */
  const hf_properties *properties; /* user properties of the newest wish; NULL: none */
  int guilty; /* not 0: it is not to be sent, but to be answered with this code, since hf_subscriptions_blame */
} hf_subscription_request;

/* One wish's fate, as told to the application. */
typedef struct hf_subscription_verdict {
  uint32_t wish;
  int code;        /* 0, 1, 2: granted QoS; else the reason code of a refusal */
  bool first;      /* of this wish */
  hf_mail *answer; /* with the first, what the wish was given for it; the caller's */
} hf_subscription_verdict;

hf_subscriptions *hf_subscriptions_new(void); /* NULL when memory is short */
void hf_subscriptions_free(hf_subscriptions *set);

/* A wish on its way into a set; NULL when memory is short. Filter and properties are copied. Any thread. */
typedef struct hf_wish hf_wish;
hf_wish *hf_wish_new(hf_bytes filter, hf_wish_options options, const hf_properties *properties);
void hf_wish_owe(hf_wish *wish, hf_mail *answer); /* a block of malloc(3), for its first verdict; the wish owns it */
void hf_wish_free(hf_wish *wish);                 /* which is in no set, or NULL */

/* Takes the wish, under a number that is not in the set. Makes a SUBSCRIBE of its filter due even if the broker has
 * granted that already: the new wish is owed a verdict and the retained messages. Subscribing again for any other
 * reason while the session knows the filter asks for no retained messages. */
void hf_subscriptions_add(hf_subscriptions *set, uint32_t number, hf_wish *wish);

/* False when there is no such wish. The last wish of a filter makes an UNSUBSCRIBE due, if the broker knows the filter.
 */
bool hf_subscriptions_remove(hf_subscriptions *set, uint32_t wish);

/* A connection is up: what the broker still knows follows from session_present. Shared subscriptions are asked for
 * again in any case: there are brokers that forget those alone (mosquitto 2.0.11, when it is restarted), and nothing
 * comes of asking twice, since no retained messages are sent for them (MQTT 5 section 4.8.2). */
void hf_subscriptions_connected(hf_subscriptions *set, bool session_present);

/* The broker has ended the connection over a filter, with this code, and did not say which: one of those it has not
 * answered. They are suspects, asked for again after all others and one at a time; the one in flight at a second such
 * end is guilty until there is a new wish for it. Before hf_subscriptions_lost. */
bool hf_subscriptions_blame(hf_subscriptions *set, int code);

/* The connection is gone: requests without an answer are due again after the next connect. */
void hf_subscriptions_lost(hf_subscriptions *set);

/* The next request that is due, marked as sent; false when none is. Meaningful only while connected. */
bool hf_subscriptions_next(hf_subscriptions *set, hf_subscription_request *request);

/* Nobody has taken the request with this ticket: it was not sent after all, and is the next of its like. */
void hf_subscriptions_put_back(hf_subscriptions *set, uint32_t ticket);

/* How many requests have no answer yet; `oldest`, when there is one, is filled with the ticket, kind and filter of the
 * one that has waited longest. */
size_t hf_subscriptions_unanswered(const hf_subscriptions *set, hf_subscription_request *oldest);

/* The broker answered a ticket with `code`: 0-2 grant that QoS, all else refuses. Calls `tell` with the fate of each
 * wish of that filter, but for those that have been told the same on this connection; for none if the ticket is
 * unknown, was an UNSUBSCRIBE, or has been overtaken by a newer request for the same filter. `tell` must not change the
 * set. */
void hf_subscriptions_answer(hf_subscriptions *set, uint32_t ticket, int code,
                             void (*tell)(void *context, hf_subscription_verdict verdict), void *context);

/* True when nothing is due and nothing unanswered: every wish has been confirmed or refused. */
bool hf_subscriptions_settled(const hf_subscriptions *set);

size_t hf_subscriptions_wishes(const hf_subscriptions *set);    /* how many there are */
size_t hf_subscriptions_refused(const hf_subscriptions *set);   /* wishes the broker refused on this connection */
size_t hf_subscriptions_confirmed(const hf_subscriptions *set); /* wishes it granted */

/* How many filters it has had at once, at most. What a broker holds for us was ours at one time, so no message can come
 * with more identifiers, but in a session that is older than the set. */
size_t hf_subscriptions_most(const hf_subscriptions *set);

/* The wishes a message belongs to, each once, in no order. First by the subscription identifiers that came with it:
 * when one is ours and its filter matches the topic (for a broker's session may remember numbers of an earlier
 * process), they decide. EMQX takes "$queue/" and "$exclusive/" off the filter, other brokers do not: with the
 * identifier the topic may match with or without. A filter whose UNSUBSCRIBE is not yet answered is still ours, with no
 * wishes. Else by its topic, so that one who sends a copy for each of several filters that overlap, as MQTT 3.1.1
 * allows (section 3.3.5), has each copy go to all of them: nothing tells a copy from the same message sent again. Costs
 * what the packet is long and what of our filters it meets. Writes up to `room` of them and returns how many there are.
 */
size_t hf_subscriptions_match(hf_subscriptions *set, hf_bytes topic, const uint32_t *identifiers,
                              size_t identifier_count, uint32_t *wishes, size_t room);

/* Whether the set has chosen this identifier by itself, so that it means nothing to the user. */
bool hf_subscriptions_chosen(const hf_subscriptions *set, uint32_t identifier);

#endif
