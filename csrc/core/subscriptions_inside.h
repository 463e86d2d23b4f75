/* subscriptions_inside.h: how a set of subscriptions looks from within; for csrc/core/subscriptions*.c only.
 *
 * A wish is one subscription of the application; an entry is one filter with its
 * wishes, oldest first. What follows from an entry's wishes is kept with it, so
 * that nothing but telling all of them walks through them. The set owns both.
 * One thread at a time.
 */
#ifndef HF_CORE_SUBSCRIPTIONS_INSIDE_H
#define HF_CORE_SUBSCRIPTIONS_INSIDE_H

#include "core/index.h"
#include "core/list.h"
#include "core/subscriptions.h"
#include "core/trie.h"

enum {
  HF_UNTOLD = -1,
  HF_MOST_IDENTIFIER = 268435455, /* a variable byte integer of four bytes (MQTT 5 section 1.5.5) */
};

typedef struct hf_entry hf_entry;

struct hf_wish {
  hf_index_link by_number;
  hf_list_link with_filter;     /* entry->wishes */
  hf_list_link with_identifier; /* entry->identified, when it has one of the user's */
  hf_entry *entry;              /* before it is in a set: one for its filter, should there be none */
  hf_properties *properties;
  hf_mail *answer; /* for its first verdict; NULL: used, or none was given */
  hf_wish_options options;
  bool judged; /* it has had a verdict, on whichever connection */
};

typedef enum hf_entry_phase { HF_RESTING, HF_DUE, HF_SENT } hf_entry_phase;
typedef enum hf_entry_verdict { HF_PENDING, HF_GRANTED, HF_REFUSED } hf_entry_verdict;

struct hf_entry { /* without wishes it waits only to be unsubscribed */
  hf_index_link by_filter;
  hf_index_link by_identifier; /* of one entry among those with the same */
  hf_index_link by_ticket;     /* while SENT */
  hf_list_link all;
  hf_list_link queued;    /* while DUE or SENT, among its like */
  hf_list_link namesakes; /* all entries with its identifier, in a ring without a head */
  hf_list_link wishes;
  hf_list_link identified;
  hf_list_link *unheard; /* the first wish that has not been told `told`; the head: there is none */
  hf_trie_item place, bare_place;
  struct hf_trie_level *levels, *bare_levels; /* before it is in a set: for those; bare: NULL if it has no such place */
  size_t with_qos[3];                         /* how many wishes want which */
  hf_wish_options asked;                      /* as in the last SUBSCRIBE */
  uint32_t chosen;                            /* identifier that the set chose; 0: none yet */
  uint32_t identifier;                        /* that it goes by */
  uint64_t named; /* the look at which a message came with its identifier; of the entry in the index */
  int16_t told;   /* the latest verdict on this connection, or UNTOLD */
  int16_t guilty; /* with this code, when it was the only one in flight; 0: it was not */
  uint8_t phase;
  uint8_t verdict;  /* on this connection or, with the session present, an earlier one */
  bool subscribing; /* what has been SENT */
  bool known;       /* the broker's session has the filter, or may have it */
  bool fresh;       /* a wish has not been granted yet, so it expects the retained messages */
  bool bare;        /* it is in set->bare, too */
  bool suspect;     /* unanswered when the broker ended a connection over a filter, and not answered since */
  size_t length;
  char filter[];
};

struct hf_subscriptions {
  hf_index numbers, filters, identifiers, tickets;
  hf_trie *topics; /* every filter, without "$share/group/" */
  hf_trie *bare;   /* what follows "$queue/" and "$exclusive/", for messages that come with our identifier */
  hf_list_link all;
  hf_list_link due, doubtful, sent; /* the longest first; doubtful: those DUE that are suspects */
  size_t most;                      /* entries that it has had at once */
  uint64_t looks;
  uint32_t last_identifier;
  uint32_t last_ticket;
  bool up;
};

static inline hf_bytes hf_entry_filter(const hf_entry *e) {
  return (hf_bytes){e->filter, e->length};
}

/* ---- subscriptions_entry.c ---- */

hf_entry *hf_entry_find(const hf_subscriptions *set, hf_bytes filter);

/* Of no set yet. NULL when memory is short. */
hf_entry *hf_entry_new(hf_bytes filter);
void hf_entry_discard(hf_entry *e); /* while it is of none */

/* Without wishes; known to all indexes but that of identifiers from then on. */
void hf_entry_enter(hf_subscriptions *set, hf_entry *e);
void hf_entry_free(hf_subscriptions *set, hf_entry *e); /* its wishes with it; it is in no queue */

void hf_entry_join(hf_entry *e, hf_wish *w);
void hf_entry_leave(hf_wish *w); /* the wish is the caller's then */
size_t hf_entry_wishes(const hf_entry *e);

/* What it asks of the broker: the newest wish's options, the highest QoS, the newest identifier of the user's. */
hf_wish_options hf_entry_wanted(const hf_entry *e);

/* The entry that stands in the index for all that have this identifier, or NULL. */
hf_entry *hf_entry_named(const hf_subscriptions *set, uint32_t identifier);

/* Its wishes have changed, so its identifier may. */
void hf_entry_renumber(hf_subscriptions *set, hf_entry *e);

/* The user gives `user` this number, which goes before one that the set has chosen: whoever has it by choice takes
 * another and is returned, or NULL. */
hf_entry *hf_entry_yield(hf_subscriptions *set, const hf_entry *user, uint32_t identifier);

#endif
