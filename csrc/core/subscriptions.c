#include "core/subscriptions.h"

#include <stdlib.h>

#include "core/subscriptions_inside.h"
#include "core/topic.h"

/* Retain handling acts at the time of subscribing only, so a difference in it alone asks for nothing. */
static bool same(hf_wish_options a, hf_wish_options b) {
  return a.qos == b.qos && a.no_local == b.no_local && a.retain_as_published == b.retain_as_published &&
         a.identifier == b.identifier;
}

/* Takes back what is due or sent. A SUBSCRIBE without an answer may have reached the broker. */
static void rest(hf_subscriptions *set, hf_entry *e) {
  if (e->phase != HF_RESTING) hf_list_remove(&e->queued);
  if (e->phase == HF_SENT) {
    hf_index_remove(&set->tickets, &e->by_ticket);
    if (e->subscribing) e->known = true;
  }
  e->phase = HF_RESTING;
}

static void make_due(hf_subscriptions *set, hf_entry *e) {
  if (e->phase == HF_DUE) return;
  rest(set, e);
  e->phase = HF_DUE;
  e->verdict = HF_PENDING;
  hf_list_append(e->suspect && !e->guilty ? &set->doubtful : &set->due, &e->queued);
}

static void drop(hf_subscriptions *set, hf_entry *e) {
  rest(set, e);
  hf_entry_free(set, e);
}

/* The last wish is gone. */
static void retire(hf_subscriptions *set, hf_entry *e) {
  rest(set, e);
  if (e->known)
    make_due(set, e);
  else
    drop(set, e);
}

/* ---- the set ---- */

hf_subscriptions *hf_subscriptions_new(void) {
  hf_subscriptions *set = calloc(1, sizeof *set);
  if (!set) return NULL;
  hf_list_init(&set->all);
  hf_list_init(&set->due);
  hf_list_init(&set->doubtful);
  hf_list_init(&set->sent);
  hf_index_init(&set->numbers);
  hf_index_init(&set->filters);
  hf_index_init(&set->identifiers);
  hf_index_init(&set->tickets);
  set->topics = hf_trie_new();
  set->bare = hf_trie_new();
  if (set->topics && set->bare) return set;
  hf_subscriptions_free(set);
  return NULL;
}

void hf_subscriptions_free(hf_subscriptions *set) {
  if (!set) return;
  while (!hf_list_empty(&set->all))
    hf_entry_free(set, HF_OWNER(hf_entry, all, set->all.next));
  hf_index_free(&set->numbers);
  hf_index_free(&set->filters);
  hf_index_free(&set->identifiers);
  hf_index_free(&set->tickets);
  hf_trie_free(set->topics);
  hf_trie_free(set->bare);
  free(set);
}

hf_wish *hf_wish_new(hf_bytes filter, hf_wish_options options, const hf_properties *properties) {
  hf_wish *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  w->options = options;
  w->properties = hf_properties_copy(properties);
  w->entry = hf_entry_new(filter);
  if (w->entry && (w->properties || !properties)) return w;
  hf_wish_free(w);
  return NULL;
}

void hf_wish_owe(hf_wish *w, hf_mail *answer) {
  w->answer = answer;
}

void hf_wish_free(hf_wish *w) {
  if (!w) return;
  if (w->entry) hf_entry_discard(w->entry);
  free(w->answer);
  free(w->properties);
  free(w);
}

void hf_subscriptions_add(hf_subscriptions *set, uint32_t number, hf_wish *w) {
  hf_entry *e = hf_entry_find(set, hf_entry_filter(w->entry));
  if (e) {
    hf_entry_discard(w->entry);
  } else {
    e = w->entry;
    hf_entry_enter(set, e);
  }
  hf_entry_join(e, w);
  hf_index_put(&set->numbers, &w->by_number, number);
  e->fresh = true;
  e->suspect = false;
  e->guilty = 0;
  hf_entry *other = w->options.identifier ? hf_entry_yield(set, e, w->options.identifier) : NULL;
  if (other) make_due(set, other);
  hf_entry_renumber(set, e);
  make_due(set, e);
}

bool hf_subscriptions_remove(hf_subscriptions *set, uint32_t number) {
  hf_index_link *found = hf_index_find(&set->numbers, number);
  if (!found) return false;
  hf_wish *w = HF_OWNER(hf_wish, by_number, found);
  hf_entry *e = w->entry;
  hf_index_remove(&set->numbers, found);
  hf_entry_leave(w);
  hf_wish_free(w);
  if (hf_list_empty(&e->wishes)) {
    retire(set, e);
    return true;
  }
  hf_entry_renumber(set, e);
  if (e->verdict != HF_REFUSED && !same(e->asked, hf_entry_wanted(e))) make_due(set, e);
  return true;
}

bool hf_subscriptions_blame(hf_subscriptions *set, int code) {
  bool found = false;
  for (hf_list_link *at = set->sent.next; at != &set->sent; at = at->next) {
    hf_entry *e = HF_OWNER(hf_entry, queued, at);
    if (!e->subscribing) continue;
    if (e->suspect) {
      e->guilty = (int16_t)code;
      found = true;
    }
    e->suspect = true;
  }
  return found;
}

void hf_subscriptions_lost(hf_subscriptions *set) {
  set->up = false;
  for (hf_list_link *at = set->all.next; at != &set->all; at = at->next) {
    hf_entry *e = HF_OWNER(hf_entry, all, at);
    if (e->phase == HF_SENT) make_due(set, e);
  }
}

static void expect_verdicts(hf_entry *e) {
  e->told = HF_UNTOLD;
  e->unheard = e->wishes.next;
}

void hf_subscriptions_connected(hf_subscriptions *set, bool session_present) {
  hf_subscriptions_lost(set);
  set->up = true;
  for (hf_list_link *at = set->all.next, *next; at != &set->all; at = next) {
    hf_entry *e = HF_OWNER(hf_entry, all, at);
    next = at->next;
    rest(set, e); /* and due again in the order of first use */
    if (!session_present) {
      e->known = false;
      e->fresh = true;
      e->verdict = HF_PENDING;
    }
    if (hf_list_empty(&e->wishes)) {
      retire(set, e);
    } else if (e->verdict != HF_GRANTED) {
      expect_verdicts(e);
      make_due(set, e);
    } else if (hf_topic_is_shared(hf_entry_filter(e))) {
      make_due(set, e);
    }
  }
}

/* The next entry that may be sent, or NULL. Nothing goes beside a suspect. */
static hf_entry *next_due(const hf_subscriptions *set) {
  bool idle = hf_list_empty(&set->sent);
  if (!set->up || (!idle && HF_OWNER(hf_entry, queued, set->sent.next)->suspect)) return NULL;
  if (!hf_list_empty(&set->due)) return HF_OWNER(hf_entry, queued, set->due.next);
  return idle && !hf_list_empty(&set->doubtful) ? HF_OWNER(hf_entry, queued, set->doubtful.next) : NULL;
}

bool hf_subscriptions_next(hf_subscriptions *set, hf_subscription_request *request) {
  hf_entry *e = next_due(set);
  if (!e) return false;
  rest(set, e);
  e->phase = HF_SENT;
  hf_list_append(&set->sent, &e->queued);
  e->subscribing = !hf_list_empty(&e->wishes);
  set->last_ticket = hf_index_unused(&set->tickets, set->last_ticket, UINT32_MAX);
  hf_index_put(&set->tickets, &e->by_ticket, set->last_ticket);
  *request =
      (hf_subscription_request){.ticket = set->last_ticket, .subscribe = e->subscribing, .filter = hf_entry_filter(e)};
  if (!e->subscribing) return true;
  request->guilty = e->guilty;
  request->options = e->asked = hf_entry_wanted(e);
  if (!e->fresh) request->options.retain_handling = 2; /* every wish has had the retained messages already */
  request->properties = HF_OWNER(hf_wish, with_filter, e->wishes.previous)->properties;
  return true;
}

void hf_subscriptions_put_back(hf_subscriptions *set, uint32_t ticket) {
  hf_index_link *found = hf_index_find(&set->tickets, ticket);
  if (!found) return;
  hf_entry *e = HF_OWNER(hf_entry, by_ticket, found);
  hf_index_remove(&set->tickets, found);
  hf_list_remove(&e->queued);
  e->phase = HF_DUE;
  hf_list_prepend(e->suspect && !e->guilty ? &set->doubtful : &set->due, &e->queued);
}

size_t hf_subscriptions_unanswered(const hf_subscriptions *set, hf_subscription_request *oldest) {
  if (hf_list_empty(&set->sent)) return 0;
  const hf_entry *e = HF_OWNER(hf_entry, queued, set->sent.next);
  *oldest =
      (hf_subscription_request){.ticket = e->by_ticket.key, .subscribe = e->subscribing, .filter = hf_entry_filter(e)};
  return set->tickets.count;
}

void hf_subscriptions_answer(hf_subscriptions *set, uint32_t ticket, int code,
                             void (*tell)(void *context, hf_subscription_verdict verdict), void *context) {
  hf_index_link *found = hf_index_find(&set->tickets, ticket);
  if (!found) return;
  hf_entry *e = HF_OWNER(hf_entry, by_ticket, found);
  bool known = e->known;
  rest(set, e);
  e->suspect = false;
  if (!e->subscribing) {
    drop(set, e); /* a wish since then would have overtaken the ticket */
    return;
  }
  if (code >= 0 && code <= 2) {
    e->verdict = HF_GRANTED;
    e->fresh = false;
  } else {
    e->verdict = HF_REFUSED;
    e->known = known; /* an older subscription to the filter outlives a refusal */
  }
  hf_list_link *at = e->told == code ? e->unheard : e->wishes.next;
  e->told = (int16_t)code;
  e->unheard = &e->wishes;
  for (; at != &e->wishes; at = at->next) {
    hf_wish *w = HF_OWNER(hf_wish, with_filter, at);
    hf_subscription_verdict verdict = {w->by_number.key, code, !w->judged, w->answer};
    w->judged = true;
    w->answer = NULL;
    tell(context, verdict);
  }
}

/* ---- questions ---- */

bool hf_subscriptions_settled(const hf_subscriptions *set) {
  return hf_list_empty(&set->due) && hf_list_empty(&set->doubtful) && hf_list_empty(&set->sent);
}

size_t hf_subscriptions_wishes(const hf_subscriptions *set) {
  return set->numbers.count;
}

size_t hf_subscriptions_most(const hf_subscriptions *set) {
  return set->most;
}

static size_t wishes_with(const hf_subscriptions *set, hf_entry_verdict verdict) {
  size_t count = 0;
  for (const hf_list_link *at = set->all.next; at != &set->all; at = at->next) {
    const hf_entry *e = HF_OWNER(hf_entry, all, at);
    if (e->verdict == verdict) count += hf_entry_wishes(e);
  }
  return count;
}

size_t hf_subscriptions_refused(const hf_subscriptions *set) {
  return wishes_with(set, HF_REFUSED);
}

size_t hf_subscriptions_confirmed(const hf_subscriptions *set) {
  return wishes_with(set, HF_GRANTED);
}
