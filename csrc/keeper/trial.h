/* trial.h: which publish do connections end over?
 *
 * What was in flight when a connection ended may be why; suspects go out alone,
 * and an accused one is tried until it is convicted or acknowledged (trial.c says
 * how). Embedded in the outbox, whose publishes it points to; for the thread that
 * turns the keeper.
 */
#ifndef HF_KEEPER_TRIAL_H
#define HF_KEEPER_TRIAL_H

#include "core/engine.h"
#include "core/message.h"
#include "link/link.h"

typedef struct hf_client hf_client;

typedef enum hf_trial_turn {
  HF_TURN_OPEN,    /* until there are others to be sent */
  HF_TURN_ACCUSED, /* it goes out alone */
  HF_TURN_OTHERS
} hf_trial_turn;

typedef struct hf_trial { /* of what may be why connections end: trial.c */
  hf_publish *alone;      /* a suspect that is in flight, and nothing else may be; NULL: none */
  hf_publish *accused;    /* on trial: in `again` or in flight; NULL: none */
  uint64_t random;        /* tosses the coin */
  uint64_t tried;         /* place of the accused that went out last without evidence */
  int64_t lent_at;        /* when `alone` went out */
  int64_t hold_until;     /* when one of the accused goes out though there are no others */
  uint32_t hold;          /* ms */
  uint32_t count;         /* of the accused */
  uint32_t ended;         /* the generation that ended last, if that may have been over a publish; else 0 */
  uint32_t barren;        /* connections in a row that ended with publishes in flight and none acknowledged */
  uint32_t deaths, turns; /* of connections with the accused alone, and those of the others */
  uint32_t evidence;      /* against the accused, in hundredths of a bit */
  size_t left;            /* of the others, to go out in this turn */
  int16_t code;           /* of the end of `ended` */
  uint8_t source;         /* likewise, an hf_source */
  uint8_t turn;           /* hf_trial_turn */
  uint8_t coin;           /* that was tossed for it */
  bool named;             /* `ended` is said to have been over something that was sent */
  bool counts;            /* it speaks against what was in flight alone */
  bool answered;          /* one of the others was, in this turn */
  bool carries;           /* when this connection became ready, the link had publishes of former ones */
  bool acknowledged;      /* on this connection something was */
  bool sent_unanswerable; /* likewise, of QoS 0 */
} hf_trial;

void hf_trial_ready(hf_client *client);

/* The next to go out; NULL: none may now. */
hf_publish *hf_trial_next(hf_client *client);

void hf_trial_lent(hf_client *client, hf_publish *publish);
void hf_trial_answered(hf_client *client, const hf_publish *publish);

/* The connection is down: was it for what we sent? Before what it has lost comes back. */
void hf_trial_ended(hf_client *client, const hf_link_down *down, hf_engine_event *event);

bool hf_trial_convicts(hf_client *client, hf_publish *publish); /* which came back lost; true: it is the culprit */
void hf_trial_forget(hf_client *client, hf_publish *publish);   /* its outcome is known */

#endif
