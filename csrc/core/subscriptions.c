#include "core/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "core/index.h"
#include "core/topic.h"

/* A circular list; its head is a link of its own. */
typedef struct link {
  struct link *previous;
  struct link *next;
} link;

#define OWNER(type, member, at) ((type *)(void *)((char *)(at)-offsetof(type, member)))

typedef struct entry entry;

typedef struct wish {
  hf_index_link by_number;
  link with_filter; /* entry->wishes, oldest first */
  entry *entry;
  hf_properties *properties;
  hf_wish_options options;
  int16_t told; /* the code of its latest verdict on this connection, or UNTOLD */
  bool judged;  /* it has had one, on whichever */
} wish;

enum { UNTOLD = -1 };

typedef enum phase { RESTING, DUE, SENT } phase;
typedef enum verdict { PENDING, GRANTED, REFUSED } verdict;

struct entry { /* one filter; without wishes it waits only to be unsubscribed */
  hf_index_link by_filter;
  hf_index_link by_identifier;
  hf_index_link by_ticket; /* while SENT */
  link all;
  link queued;  /* while DUE or SENT, among its like */
  link scanned; /* when `scans` */
  link wishes;
  hf_wish_options asked; /* as in the last SUBSCRIBE */
  uint32_t chosen;       /* identifier that the set chose; 0: none yet */
  uint8_t phase;
  uint8_t verdict;  /* on this connection or, with the session present, an earlier one */
  bool subscribing; /* what has been SENT */
  bool known;       /* the broker's session has the filter, or may have it */
  bool fresh;       /* a wish has not been granted yet, so it expects the retained messages */
  bool scans;       /* the topic cannot find it by hash: a wildcard or a share */
  bool suspect;     /* unanswered when the broker ended a connection over a filter, and not answered since */
  int16_t guilty;   /* with this code, when it was the only one in flight; 0: it was not */
  size_t length;
  char filter[];
};

struct hf_subscriptions {
  hf_index numbers, filters, identifiers, tickets;
  link all, scanned;
  link due, doubtful, sent; /* the longest first; doubtful: those DUE that are suspects */
  uint32_t last_identifier;
  uint32_t last_ticket;
  bool up;
};

/* ---- lists ---- */

static void list_init(link *head) {
  head->previous = head->next = head;
}

static void list_append(link *head, link *at) {
  *at = (link){.previous = head->previous, .next = head};
  head->previous->next = at;
  head->previous = at;
}

static void list_remove(link *at) {
  at->previous->next = at->next;
  at->next->previous = at->previous;
}

static bool list_empty(const link *head) {
  return head->next == head;
}

/* ---- one entry ---- */

static hf_bytes filter_of(const entry *e) {
  return (hf_bytes){e->filter, e->length};
}

static uint32_t hash(hf_bytes text) { /* FNV-1a */
  uint32_t value = 2166136261u;
  for (size_t i = 0; i < text.length; i++)
    value = (value ^ (unsigned char)text.data[i]) * 16777619u;
  return value;
}

static entry *find_filter(const hf_subscriptions *set, hf_bytes filter) {
  hf_index_link *at = hf_index_find(&set->filters, hash(filter));
  for (; at; at = hf_index_again(at)) {
    entry *e = OWNER(entry, by_filter, at);
    if (e->length == filter.length && memcmp(e->filter, filter.data, filter.length) == 0) return e;
  }
  return NULL;
}

/* What the entry asks of the broker: the newest wish's options, the highest QoS, the newest identifier of the user's.
 */
static hf_wish_options wanted(const entry *e) {
  hf_wish_options options = {0};
  uint32_t identifier = 0;
  for (const link *at = e->wishes.next; at != &e->wishes; at = at->next) {
    uint8_t highest = options.qos;
    options = OWNER(wish, with_filter, at)->options;
    if (options.qos < highest) options.qos = highest;
    if (options.identifier) identifier = options.identifier;
  }
  options.identifier = identifier ? identifier : e->chosen;
  return options;
}

/* Retain handling acts at the time of subscribing only, so a difference in it alone asks for nothing. */
static bool same(hf_wish_options a, hf_wish_options b) {
  return a.qos == b.qos && a.no_local == b.no_local && a.retain_as_published == b.retain_as_published &&
         a.identifier == b.identifier;
}

static void choose_identifier(hf_subscriptions *set, entry *e) {
  do
    set->last_identifier++;
  while (hf_index_find(&set->identifiers, set->last_identifier));
  e->chosen = set->last_identifier;
}

static void index_identifier(hf_subscriptions *set, entry *e) {
  uint32_t identifier = wanted(e).identifier;
  if (!identifier) {
    choose_identifier(set, e);
    identifier = e->chosen;
  }
  if (e->by_identifier.key == identifier) return;
  if (e->by_identifier.key) hf_index_remove(&set->identifiers, &e->by_identifier);
  hf_index_put(&set->identifiers, &e->by_identifier, identifier);
}

/* Takes back what is due or sent. A SUBSCRIBE without an answer may have reached the broker. */
static void rest(hf_subscriptions *set, entry *e) {
  if (e->phase != RESTING) list_remove(&e->queued);
  if (e->phase == SENT) {
    hf_index_remove(&set->tickets, &e->by_ticket);
    if (e->subscribing) e->known = true;
  }
  e->phase = RESTING;
}

static void make_due(hf_subscriptions *set, entry *e) {
  if (e->phase == DUE) return;
  rest(set, e);
  e->phase = DUE;
  e->verdict = PENDING;
  list_append(e->suspect && !e->guilty ? &set->doubtful : &set->due, &e->queued);
}

static void drop(hf_subscriptions *set, entry *e) {
  rest(set, e);
  hf_index_remove(&set->filters, &e->by_filter);
  hf_index_remove(&set->identifiers, &e->by_identifier);
  list_remove(&e->all);
  if (e->scans) list_remove(&e->scanned);
  free(e);
}

/* The last wish is gone. */
static void retire(hf_subscriptions *set, entry *e) {
  rest(set, e);
  if (e->known)
    make_due(set, e);
  else
    drop(set, e);
}

static entry *make_entry(hf_subscriptions *set, hf_bytes filter) {
  entry *e = calloc(1, sizeof *e + filter.length);
  if (!e) return NULL;
  e->length = filter.length;
  memcpy(e->filter, filter.data, filter.length);
  list_init(&e->wishes);
  list_append(&set->all, &e->all);
  hf_index_put(&set->filters, &e->by_filter, hash(filter));
  e->scans = hf_topic_has_wildcard(filter) || hf_topic_is_shared(filter);
  if (e->scans) list_append(&set->scanned, &e->scanned);
  return e;
}

/* ---- the set ---- */

hf_subscriptions *hf_subscriptions_new(void) {
  hf_subscriptions *set = calloc(1, sizeof *set);
  if (!set) return NULL;
  list_init(&set->all);
  list_init(&set->due);
  list_init(&set->doubtful);
  list_init(&set->sent);
  list_init(&set->scanned);
  bool room = hf_index_init(&set->numbers);
  room = hf_index_init(&set->filters) && room;
  room = hf_index_init(&set->identifiers) && room;
  room = hf_index_init(&set->tickets) && room;
  if (room) return set;
  hf_subscriptions_free(set);
  return NULL;
}

static void free_wish(wish *w) {
  free(w->properties);
  free(w);
}

void hf_subscriptions_free(hf_subscriptions *set) {
  if (!set) return;
  for (link *at = set->all.next, *next; at != &set->all; at = next) {
    entry *e = OWNER(entry, all, at);
    next = at->next;
    for (link *w = e->wishes.next, *after; w != &e->wishes; w = after) {
      after = w->next;
      free_wish(OWNER(wish, with_filter, w));
    }
    free(e);
  }
  hf_index_free(&set->numbers);
  hf_index_free(&set->filters);
  hf_index_free(&set->identifiers);
  hf_index_free(&set->tickets);
  free(set);
}

/* A number that the user gives goes before one that the set has chosen: whoever has it by choice takes another. */
static void yield_identifier(hf_subscriptions *set, const entry *user, uint32_t identifier) {
  for (hf_index_link *at = hf_index_find(&set->identifiers, identifier); at; at = hf_index_again(at)) {
    entry *e = OWNER(entry, by_identifier, at);
    if (e == user || e->chosen != identifier || list_empty(&e->wishes)) continue;
    choose_identifier(set, e);
    index_identifier(set, e);
    make_due(set, e);
    return; /* the set chooses each number once */
  }
}

bool hf_subscriptions_add(hf_subscriptions *set, uint32_t number, hf_bytes filter, hf_wish_options options,
                          const hf_properties *properties) {
  wish *w = calloc(1, sizeof *w);
  if (!w) return false;
  w->options = options;
  w->told = UNTOLD;
  w->properties = hf_properties_copy(properties);
  w->entry = find_filter(set, filter);
  if ((w->properties || !properties) && !w->entry) w->entry = make_entry(set, filter);
  if ((properties && !w->properties) || !w->entry) {
    free_wish(w);
    return false;
  }
  list_append(&w->entry->wishes, &w->with_filter);
  hf_index_put(&set->numbers, &w->by_number, number);
  w->entry->fresh = true;
  w->entry->suspect = false;
  w->entry->guilty = 0;
  index_identifier(set, w->entry);
  if (options.identifier) yield_identifier(set, w->entry, options.identifier);
  make_due(set, w->entry);
  return true;
}

bool hf_subscriptions_remove(hf_subscriptions *set, uint32_t number) {
  hf_index_link *found = hf_index_find(&set->numbers, number);
  if (!found) return false;
  wish *w = OWNER(wish, by_number, found);
  entry *e = w->entry;
  hf_index_remove(&set->numbers, found);
  list_remove(&w->with_filter);
  free_wish(w);
  if (list_empty(&e->wishes)) {
    retire(set, e);
    return true;
  }
  index_identifier(set, e);
  if (e->verdict != REFUSED && !same(e->asked, wanted(e))) make_due(set, e);
  return true;
}

void hf_subscriptions_blame(hf_subscriptions *set, int code) {
  for (link *at = set->sent.next; at != &set->sent; at = at->next) {
    entry *e = OWNER(entry, queued, at);
    if (!e->subscribing) continue;
    if (e->suspect) e->guilty = (int16_t)code;
    e->suspect = true;
  }
}

void hf_subscriptions_lost(hf_subscriptions *set) {
  set->up = false;
  for (link *at = set->all.next; at != &set->all; at = at->next) {
    entry *e = OWNER(entry, all, at);
    if (e->phase == SENT) make_due(set, e);
  }
}

static void expect_verdicts(entry *e) {
  for (link *at = e->wishes.next; at != &e->wishes; at = at->next)
    OWNER(wish, with_filter, at)->told = UNTOLD;
}

void hf_subscriptions_connected(hf_subscriptions *set, bool session_present) {
  hf_subscriptions_lost(set);
  set->up = true;
  for (link *at = set->all.next, *next; at != &set->all; at = next) {
    entry *e = OWNER(entry, all, at);
    next = at->next;
    rest(set, e); /* and due again in the order of first use */
    if (!session_present) {
      e->known = false;
      e->fresh = true;
      e->verdict = PENDING;
    }
    if (list_empty(&e->wishes)) {
      retire(set, e);
    } else if (e->verdict != GRANTED) {
      expect_verdicts(e);
      make_due(set, e);
    } else if (hf_topic_is_shared(filter_of(e))) {
      make_due(set, e);
    }
  }
}

/* The next entry that may be sent, or NULL. Nothing goes beside a suspect. */
static entry *next_due(const hf_subscriptions *set) {
  bool idle = list_empty(&set->sent);
  if (!set->up || (!idle && OWNER(entry, queued, set->sent.next)->suspect)) return NULL;
  if (!list_empty(&set->due)) return OWNER(entry, queued, set->due.next);
  return idle && !list_empty(&set->doubtful) ? OWNER(entry, queued, set->doubtful.next) : NULL;
}

bool hf_subscriptions_next(hf_subscriptions *set, hf_subscription_request *request) {
  entry *e = next_due(set);
  if (!e) return false;
  rest(set, e);
  e->phase = SENT;
  list_append(&set->sent, &e->queued);
  e->subscribing = !list_empty(&e->wishes);
  hf_index_put(&set->tickets, &e->by_ticket, ++set->last_ticket);
  *request = (hf_subscription_request){.ticket = set->last_ticket, .subscribe = e->subscribing, .filter = filter_of(e)};
  if (!e->subscribing) return true;
  request->guilty = e->guilty;
  request->options = e->asked = wanted(e);
  if (!e->fresh) request->options.retain_handling = 2; /* every wish has had the retained messages already */
  request->properties = OWNER(wish, with_filter, e->wishes.previous)->properties;
  return true;
}

size_t hf_subscriptions_unanswered(const hf_subscriptions *set, hf_subscription_request *oldest) {
  if (list_empty(&set->sent)) return 0;
  const entry *e = OWNER(entry, queued, set->sent.next);
  *oldest = (hf_subscription_request){.ticket = e->by_ticket.key, .subscribe = e->subscribing, .filter = filter_of(e)};
  return set->tickets.count;
}

size_t hf_subscriptions_answer(hf_subscriptions *set, uint32_t ticket, int code, hf_subscription_verdict *verdicts) {
  hf_index_link *found = hf_index_find(&set->tickets, ticket);
  if (!found) return 0;
  entry *e = OWNER(entry, by_ticket, found);
  bool known = e->known;
  rest(set, e);
  e->suspect = false;
  if (!e->subscribing) {
    drop(set, e); /* a wish since then would have overtaken the ticket */
    return 0;
  }
  if (code >= 0 && code <= 2) {
    e->verdict = GRANTED;
    e->fresh = false;
  } else {
    e->verdict = REFUSED;
    e->known = known; /* an older subscription to the filter outlives a refusal */
  }
  size_t count = 0;
  for (link *at = e->wishes.next; at != &e->wishes; at = at->next) {
    wish *w = OWNER(wish, with_filter, at);
    if (w->told == code) continue;
    verdicts[count++] = (hf_subscription_verdict){w->by_number.key, code, !w->judged};
    w->told = (int16_t)code;
    w->judged = true;
  }
  return count;
}

/* ---- questions ---- */

bool hf_subscriptions_settled(const hf_subscriptions *set) {
  return list_empty(&set->due) && list_empty(&set->doubtful) && list_empty(&set->sent);
}

size_t hf_subscriptions_wishes(const hf_subscriptions *set) {
  return set->numbers.count;
}

static size_t wishes_with(const hf_subscriptions *set, verdict wanted_verdict) {
  size_t count = 0;
  for (const link *at = set->all.next; at != &set->all; at = at->next) {
    const entry *e = OWNER(entry, all, at);
    if (e->verdict != wanted_verdict) continue;
    for (const link *w = e->wishes.next; w != &e->wishes; w = w->next)
      count++;
  }
  return count;
}

size_t hf_subscriptions_refused(const hf_subscriptions *set) {
  return wishes_with(set, REFUSED);
}

size_t hf_subscriptions_confirmed(const hf_subscriptions *set) {
  return wishes_with(set, GRANTED);
}

typedef struct collector {
  uint32_t *wishes;
  size_t room;
  size_t count;
} collector;

static void collect(collector *into, const entry *e) {
  for (const link *at = e->wishes.next; at != &e->wishes; at = at->next) {
    if (into->count < into->room) into->wishes[into->count] = OWNER(wish, with_filter, at)->by_number.key;
    into->count++;
  }
}

static bool seen_before(const uint32_t *identifiers, size_t position) {
  for (size_t i = 0; i < position; i++)
    if (identifiers[i] == identifiers[position]) return true;
  return false;
}

/* False when none of the identifiers is ours. An entry without wishes is still ours: its message is for nobody. */
static bool match_identifiers(const hf_subscriptions *set, hf_bytes topic, const uint32_t *identifiers, size_t count,
                              collector *into) {
  bool ours = false;
  for (size_t i = 0; i < count; i++) {
    if (seen_before(identifiers, i)) continue;
    hf_index_link *at = hf_index_find(&set->identifiers, identifiers[i]);
    for (; at; at = hf_index_again(at)) {
      const entry *e = OWNER(entry, by_identifier, at);
      if (!hf_topic_matches(filter_of(e), topic)) continue;
      ours = true;
      collect(into, e);
    }
  }
  return ours;
}

static bool refused_only(const entry *e) {
  return e->verdict == REFUSED && !e->known;
}

size_t hf_subscriptions_match(const hf_subscriptions *set, hf_bytes topic, const uint32_t *identifiers,
                              size_t identifier_count, uint32_t *wishes, size_t room) {
  collector into = {wishes, room, 0};
  if (match_identifiers(set, topic, identifiers, identifier_count, &into)) return into.count;
  const entry *exact = find_filter(set, topic);
  if (exact && !exact->scans && !refused_only(exact)) collect(&into, exact);
  for (const link *at = set->scanned.next; at != &set->scanned; at = at->next) {
    const entry *e = OWNER(entry, scanned, at);
    if (!refused_only(e) && hf_topic_matches(filter_of(e), topic)) collect(&into, e);
  }
  return into.count;
}
