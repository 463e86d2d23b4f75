/* message.h: a message on its way out (hf_publish) and on its way in (hf_message).
 *
 * Each is one block: struct, topic, payload and a copy of the properties, so
 * that it crosses threads as a single pointer and one free() ends it. Both
 * begin with an hf_mail. Those that came in together may share a block
 * (message_block.h), and those that go out, too (publish_block.h). An hf_publish belongs to the keeper from admission
 * until its outcome is known; while a link has it in flight the link uses its
 * mail (and nothing else of it) to answer. An hf_message belongs to whoever
 * took it from a mailbox.
 */
#ifndef HF_CORE_MESSAGE_H
#define HF_CORE_MESSAGE_H

#include <stdbool.h>

#include "core/heap.h"
#include "core/index.h"
#include "core/list.h"
#include "core/mail.h"
#include "core/properties.h"

typedef struct hf_publish_block hf_publish_block; /* publish_block.h */
enum { HF_PRIORITIES = 10 };

typedef struct hf_publish {
  hf_mail mail; /* HF_LINK_DELIVERED when the link answers */
  uint64_t id;  /* what `post` returned; unique in the client */
  hf_bytes topic;
  hf_bytes payload;
  hf_properties *properties;          /* NULL: none; inside the block */
  struct hf_publish *next, *previous; /* of the keeper's queue (line.h) */
  hf_heap_item timer;                 /* of the keeper's queue, until the deadline */
  hf_index_link by_id;                /* while the keeper has it, in flight or not */
  hf_list_link by_age;                /* likewise, of all */
  int64_t accepted;                   /* ms: when the keeper has got it */
  int64_t deadline;                   /* ms: not to be sent for the first time from then on; INT64_MAX: none */
  int64_t expires;                    /* ms: when its message expiry is over; INT64_MAX: it has none */
  size_t weight;                      /* bytes charged against the queue's bound; 0: no longer */
  int32_t result;                     /* of the link: 0, a reason code >= 0x80, or HF_LINK_RESULT_* < 0 */
  uint32_t flags;                     /* the keeper's */
  uint16_t packet_id;                 /* 0 until the link has given it one */
  uint8_t qos;
  uint8_t priority; /* up to HF_PRIORITIES - 1; the highest goes first */
  bool retain;
  uint8_t end_source;      /* an hf_source; of an end that `result` is the code of */
  bool carried;            /* its packet id and state outlived a handle or a connection (link.h) */
  bool released;           /* its PUBREL has been sent, or may have been */
  uint32_t more;           /* outcomes that this one stands for as well: of the ids that follow */
  uint32_t span;           /* bytes of its block that are its own */
  uint64_t place;          /* of the keeper's queue: by which it stands in its line */
  uint64_t offset;         /* of the link that has it: where its packet ends in the bytes of the connection */
  hf_publish_block *block; /* that it is part of; NULL: it is one by itself */
} hf_publish;

typedef struct hf_message_block hf_message_block; /* message_block.h */

enum { HF_WISHES_INLINE = 4 };

typedef struct hf_message {
  hf_mail mail; /* HF_LINK_MESSAGE, later HF_EVENT_MESSAGE */
  hf_bytes topic;
  hf_bytes payload;
  hf_properties *properties; /* NULL: none but `identifier` */
  hf_message_block *block;   /* that it is part of; NULL: it is one by itself */
  uint32_t *wishes;          /* subscriptions it is for; filled by the keeper, owned by the message */
  size_t wish_count;
  uint32_t wishes_inline[HF_WISHES_INLINE]; /* where `wishes` points unless there are more */
  uint64_t receipt;    /* of a link that waits for an acknowledgement of ours (link.h); 0: none does */
  uint64_t number;     /* under which Lua has been shown it; 0: not yet */
  int64_t came;        /* us: when the keeper has got it */
  uint32_t identifier; /* the one subscription identifier that came with it and nothing else; 0: see `properties` */
  uint8_t qos;
  bool retain;
  bool duplicate;
} hf_message;

/* Copies everything; NULL when memory is short. */
hf_publish *hf_publish_new(hf_bytes topic, hf_bytes payload, const hf_properties *properties);
/* In what `allocate` gives, to be freed with free(). */
hf_publish *hf_publish_new_by(void *(*allocate)(size_t size), hf_bytes topic, hf_bytes payload,
                              const hf_properties *properties);
hf_message *hf_message_new(hf_bytes topic, hf_bytes payload, const hf_properties *properties);

/* In memory of somebody else, aligned as a message is: so many bytes, which keep those after it aligned. */
size_t hf_publish_size(hf_bytes topic, hf_bytes payload);
void hf_publish_fill(hf_publish *publish, hf_bytes topic, hf_bytes payload);
size_t hf_message_size(hf_bytes topic, hf_bytes payload, const hf_properties *properties);
void hf_message_fill(hf_message *message, hf_bytes topic, hf_bytes payload, const hf_properties *properties);

/* The same without topic, payload and properties, for one whose outcome is all that is wanted still. */
hf_publish *hf_publish_shrink(hf_publish *publish);

/* Has the packet that goes out at `now` say what is left of the message expiry, in whole seconds (MQTT 5 section
 * 3.3.2.3.3). One second is the least: it is sent because it is not over, or because it may have arrived before. */
void hf_publish_count_down(hf_publish *publish, int64_t now);

/* What it counts against `queue.bytes`. */
size_t hf_publish_weigh(const hf_publish *publish);
size_t hf_publish_weight(hf_bytes topic, hf_bytes payload); /* without properties */

/* Bytes of the packet that carries it in MQTT 5 (section 3.3), for the peer's Maximum Packet Size. */
size_t hf_publish_packet_size(const hf_publish *publish);

void hf_publish_free(hf_publish *publish);
void hf_message_free(hf_message *message);

#endif
