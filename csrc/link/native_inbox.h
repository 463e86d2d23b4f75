/* native_inbox.h: messages of QoS 1 and 2 that have come and are not acknowledged yet.
 *
 * Two lines, one a QoS, each in the order of arrival: first those that have been
 * told and are not done, then those that wait to be told. By packet id it is
 * known, over any number of connections of one session, what a PUBLISH that
 * comes again is: one that is still held (the same message, whose acknowledgement
 * moves to the new connection), one that was done on a connection that is gone
 * (acknowledged now, and not told again), or, of QoS 2, one that awaits its
 * PUBREL. An acknowledgement goes out only on the connection on which its PUBLISH
 * came last. Owned by a link, which it does not know; the thread that turns the
 * loop alone.
 */
#ifndef HF_LINK_NATIVE_INBOX_H
#define HF_LINK_NATIVE_INBOX_H

#include "core/message.h"
#include "link/native_ids.h"

typedef struct hf_held {
  hf_message *message; /* NULL: it has been told */
  uint32_t connection; /* on which it came last; 0: it belongs to a session that is gone */
  uint32_t print;      /* of topic and payload */
  uint32_t serial;     /* order of arrival over both lines */
  uint16_t id;
} hf_held;

typedef struct hf_held_line {
  hf_held *ring;
  uint32_t room, first, count; /* `room` is a power of two */
  uint32_t told;               /* of `count`, from the front */
  uint64_t done;               /* receipt of the last that is done; the first in line has the one after it */
} hf_held_line;

typedef struct hf_inbox {
  hf_held_line lines[2]; /* QoS 1, QoS 2 */
  hf_ids ids[2];         /* packet id -> hf_inbox_word */
  size_t bytes;          /* of what waits to be told */
  size_t waiting;        /* messages, likewise */
  uint32_t serial;
} hf_inbox;

typedef enum hf_inbox_found {
  HF_INBOX_NEW,
  HF_INBOX_OTHER,    /* likewise, under an id of which something is known that is not so any more */
  HF_INBOX_HELD,     /* the same message, not done yet */
  HF_INBOX_DONE,     /* to be acknowledged now */
  HF_INBOX_RELEASED, /* QoS 2: PUBREC has gone out once */
  HF_INBOX_TAKEN,    /* another one came under its id on this very connection, and the exchange of that is open */
} hf_inbox_found;

/* What a PUBLISH is that comes on `connection`. One of another content under an id that is still known is a new one:
 * what was known belongs to a session that is gone; unless it came on that connection, too, on which no broker may give
 * an id to two ([MQTT-2.2.1-4]). */
hf_inbox_found hf_inbox_look(hf_inbox *inbox, uint8_t qos, uint16_t id, uint32_t print, uint32_t connection);

/* After HF_INBOX_TAKEN: the id is the newer one's from now on, and the older is never answered. */
void hf_inbox_displace(hf_inbox *inbox, uint8_t qos, uint16_t id);
uint32_t hf_inbox_print(hf_bytes topic, hf_bytes payload);

/* Takes a new one in, to be told later. False when memory is short; the message is the caller's still. */
bool hf_inbox_add(hf_inbox *inbox, hf_message *message, uint16_t id, uint32_t print, uint32_t connection);

/* The next to be told, with its receipt; NULL: none waits. */
hf_message *hf_inbox_tell(hf_inbox *inbox);

typedef struct hf_inbox_over {
  uint16_t id; /* 0: its session is gone, and there is nothing to be acknowledged, ever */
  bool here;   /* its PUBLISH came on this connection; else it is acknowledged when that comes again */
} hf_inbox_over;

/* The next of `qos` that is done, up to `receipt`. False: no more. */
bool hf_inbox_done(hf_inbox *inbox, uint8_t qos, uint64_t receipt, uint32_t connection, hf_inbox_over *over);

/* QoS 2. Its PUBREC goes out though it is in no line (after HF_INBOX_DONE), or did so in an earlier process (`print`
 * and `connection` 0). False when memory is short. Then PUBREL has come: false if it is unknown. */
bool hf_inbox_released(hf_inbox *inbox, uint16_t id, uint32_t print, uint32_t connection);
bool hf_inbox_complete(hf_inbox *inbox, uint16_t id);

/* The session is gone: what is held will still be told, and never acknowledged; ids mean nothing any more. */
void hf_inbox_forget_session(hf_inbox *inbox);
void hf_inbox_free(hf_inbox *inbox);

#endif
