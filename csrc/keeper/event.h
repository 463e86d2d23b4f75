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

/* EACH(name, what the mail is, its word for Lua); FIRST the same. An event that is a client's own is freed with it. */
// clang-format off
#define HF_EVENT_KINDS(FIRST, EACH)                                                                                    \
  FIRST(MESSAGE, message, "message")                                                                                   \
  EACH(OUTCOME, publish, "outcome") /* `result` and `flags` say how it ended */                                        \
  EACH(NOT_WITHDRAWN, event, "not_withdrawn")                                                                          \
  EACH(GRANTED, event, "granted") /* or refused: the first verdict of a wish */                                        \
  EACH(GRANTED_AGAIN, event, "granted") /* a later one */                                                              \
  EACH(CONNECTING, event, "event")                                                                                     \
  EACH(CONNECTED, event, "event")                                                                                      \
  EACH(READY, event, "event")                                                                                          \
  EACH(FAILED, event, "event")                                                                                         \
  EACH(LOST, event, "event")                                                                                           \
  EACH(SLEEPING, event, "event")                                                                                       \
  EACH(CLOSED, own_event, "event")                                                                                     \
  EACH(CREDENTIALS, event, "credentials")                                                                              \
  EACH(AUTHENTICATE, event, "authenticate") /* the broker has said `text`, of `length` bytes */                         \
  EACH(AUTHENTICATED, event, "authenticated") /* `code`: hf_authenticated */                                              \
  EACH(DELAY, event, "delay")                                                                                          \
  EACH(ROOM, room, "room") /* hf_mail, at most one a client */                                                         \
  EACH(STEP, step, "event") /* hf_step, where they are asked for */                                                   \
  EACH(STORE, event, "event") /* `code`, an hf_store_code, and `text` */                                               \
  EACH(NOTE, event, "note") /* `text`, for the log */                                                                  \
  EACH(TRACE, trace, "trace") /* `text`, of no client: see trace.h */                                                  \
  EACH(TURN, event, "turn") /* when may this attempt begin? */
// clang-format on

enum hf_event_kind {
#define FIRST(name, what, word) HF_EVENT_##name = HF_MAIL_EVENT_BASE,
#define EACH(name, what, word) HF_EVENT_##name,
  HF_EVENT_KINDS(FIRST, EACH)
#undef FIRST
#undef EACH
};

enum {
#define ONE(name, what, word) +1
  HF_EVENT_KIND_COUNT = 0 HF_EVENT_KINDS(ONE, ONE)
#undef ONE
};

typedef enum hf_authenticated {
  HF_AUTHENTICATED_NOT,  /* it could not be begun, or its connection has been renewed, which nobody is told of */
  HF_AUTHENTICATED,      /* the broker is content */
  HF_AUTHENTICATED_LOST, /* its connection is lost: LOST follows */
} hf_authenticated;

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
  char *text;              /* beyond reason->text; CONNECTED: response information; NULL: none; freed with the event */
  const char *server;      /* its address, which lives as long as the client; NULL: it is not known yet */
  char *reference;         /* server reference of the broker; NULL: none; freed with the event */
  int64_t retry_in;        /* ms, or HF_NO_TIME; SLEEPING: until it wakes; DELAY: the built-in delay */
  int64_t downtime;        /* ms */
  int64_t uptime;          /* ms, or HF_NO_TIME */
  uint64_t id;             /* of a publish */
  size_t length;           /* AUTHENTICATE */
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
