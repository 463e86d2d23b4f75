/* event.h: what the keeper tells a Lua state, one struct for all that is not a message or a publish.
 *
 * Made by the keeper, pushed into the mailbox of the Lua state that owns the
 * client, taken and freed there. Messages travel as the hf_message that the link
 * made, outcomes as the hf_publish that was posted: those are not hf_events.
 * Each of these mails but TRACE holds a reference to its client.
 */
#ifndef HF_KEEPER_EVENT_H
#define HF_KEEPER_EVENT_H

#include "core/message.h"
#include "core/reason.h"
#include "keeper/options.h"

enum hf_event_kind {
  HF_EVENT_MESSAGE = HF_MAIL_EVENT_BASE, /* hf_message */
  HF_EVENT_OUTCOME,                      /* hf_publish; `result` and `flags` say how it ended */
  HF_EVENT_NOT_WITHDRAWN,                /* the rest are hf_events */
  HF_EVENT_GRANTED,                      /* or refused: the first verdict of a wish */
  HF_EVENT_GRANTED_AGAIN,                /* a later one */
  HF_EVENT_CONNECTING,
  HF_EVENT_CONNECTED,
  HF_EVENT_READY,
  HF_EVENT_FAILED,
  HF_EVENT_LOST,
  HF_EVENT_SLEEPING,
  HF_EVENT_CLOSED,
  HF_EVENT_CREDENTIALS,
  HF_EVENT_DELAY,
  HF_EVENT_ROOM,  /* hf_mail, at most one a client */
  HF_EVENT_STORE, /* `code`, an hf_store_code, and `text` */
  HF_EVENT_NOTE,  /* `text`, for the log */
  HF_EVENT_TRACE, /* `text`, of no client: see trace.h */
  HF_EVENT_TURN,  /* when may this attempt begin? */
};

enum { /* hf_publish.flags */
       HF_PUBLISH_NOTIFY = 1 << 0,
       HF_PUBLISH_WITHDRAWN = 1 << 1,
       HF_PUBLISH_CLOSED = 1 << 2,    /* the client was closed first */
       HF_PUBLISH_TOO_LARGE = 1 << 3, /* for the broker's Maximum Packet Size */
       HF_PUBLISH_QOS = 1 << 4,       /* above the broker's Maximum QoS */
       HF_PUBLISH_RETAIN = 1 << 5,    /* the broker keeps no retained messages */
       HF_PUBLISH_SENT = 1 << 6,      /* the broker may have it, whatever became of the connection */
       HF_PUBLISH_SUSPECT = 1 << 7,   /* in flight when the broker ended the connection over something it was sent */
       HF_PUBLISH_GUILTY = 1 << 8,    /* what connections end over: `result` is the code of the last, of `end_source` */
       HF_PUBLISH_LENT = 1 << 9,      /* a link has had it */
       HF_PUBLISH_OVERFLOW = 1 << 10, /* made room in the queue, or found none */
       HF_PUBLISH_EXPIRED = 1 << 11,  /* before it could be sent */
       HF_PUBLISH_AWAITED = 1 << 12,  /* with NOTIFY: a coroutine waits for the outcome, so it is told in any case */
       HF_PUBLISH_KEPT = 1 << 13,     /* with CLOSED: the store has it for the next client */
       HF_PUBLISH_RESTORED = 1 << 14, /* out of a store */
       HF_PUBLISH_ACCUSED = 1 << 15,  /* in flight alone when a connection ended */
};

enum { HF_NO_TIME = -1 };

typedef struct hf_event {
  hf_mail mail;
  const hf_reason *reason; /* NULL: none */
  char *text;              /* beyond reason->text; NULL: none; freed with the event */
  const hf_server *server; /* lives as long as the client */
  char *reference;         /* server reference of the broker; NULL: none; freed with the event */
  int64_t retry_in;        /* ms, or HF_NO_TIME; SLEEPING: until it wakes; DELAY: the built-in delay */
  int64_t downtime;        /* ms */
  int64_t uptime;          /* ms, or HF_NO_TIME */
  uint64_t id;             /* of a publish */
  size_t subscriptions;    /* READY */
  size_t refused;
  uint32_t attempt;
  uint32_t ticket;
  uint32_t wish;
  int code;      /* behind `reason`; GRANTED: the QoS, when there is no reason */
  bool followed; /* the server reference is */
  uint8_t cls;   /* hf_class given by the policy */
  bool session_present;
} hf_event;

/* Frees any mail of this list and drops its reference; the `discard` of a Lua state's mailbox. Any thread. */
void hf_event_discard(hf_mail *mail);

#endif
