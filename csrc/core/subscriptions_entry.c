#include <stdlib.h>
#include <string.h>

#include "core/subscriptions_inside.h"
#include "core/topic.h"

/* ---- who goes by an identifier ---- */

hf_entry *hf_entry_named(const hf_subscriptions *set, uint32_t identifier) {
  hf_index_link *at = hf_index_find(&set->identifiers, identifier);
  return at ? HF_OWNER(hf_entry, by_identifier, at) : NULL;
}

static void name(hf_subscriptions *set, hf_entry *e, uint32_t identifier) {
  hf_entry *other = hf_entry_named(set, identifier);
  e->identifier = identifier;
  if (other)
    hf_list_append(&other->namesakes, &e->namesakes);
  else
    hf_index_put(&set->identifiers, &e->by_identifier, identifier);
}

/* Another one with its identifier stands in the index in its place. */
static void unname(hf_subscriptions *set, hf_entry *e) {
  if (!e->identifier) return;
  if (hf_entry_named(set, e->identifier) == e) {
    hf_index_remove(&set->identifiers, &e->by_identifier);
    hf_entry *other = HF_OWNER(hf_entry, namesakes, e->namesakes.next);
    if (other != e) hf_index_put(&set->identifiers, &other->by_identifier, e->identifier);
  }
  hf_list_remove(&e->namesakes);
  hf_list_init(&e->namesakes);
}

/* ---- an entry ---- */

static uint32_t key(hf_bytes filter) {
  return hf_index_hash(filter.data, filter.length);
}

hf_entry *hf_entry_find(const hf_subscriptions *set, hf_bytes filter) {
  hf_index_link *at = hf_index_find(&set->filters, key(filter));
  for (; at; at = hf_index_again(at)) {
    hf_entry *e = HF_OWNER(hf_entry, by_filter, at);
    if (e->length == filter.length && memcmp(e->filter, filter.data, filter.length) == 0) return e;
  }
  return NULL;
}

hf_entry *hf_entry_new(hf_bytes filter) {
  hf_entry *e = calloc(1, sizeof *e + filter.length);
  if (!e) return NULL;
  hf_bytes bare = hf_topic_bare(filter);
  e->length = filter.length;
  memcpy(e->filter, filter.data, filter.length);
  e->bare = bare.data != NULL;
  e->levels = hf_trie_levels(hf_topic_unshared(filter));
  if (e->bare) e->bare_levels = hf_trie_levels(bare);
  if (!e->levels || (e->bare && !e->bare_levels)) {
    hf_entry_discard(e);
    return NULL;
  }
  hf_list_init(&e->wishes);
  hf_list_init(&e->identified);
  hf_list_init(&e->namesakes);
  e->unheard = &e->wishes;
  e->told = HF_UNTOLD;
  return e;
}

void hf_entry_discard(hf_entry *e) {
  hf_trie_free_levels(e->levels);
  hf_trie_free_levels(e->bare_levels);
  free(e);
}

void hf_entry_enter(hf_subscriptions *set, hf_entry *e) {
  hf_trie_put(set->topics, &e->place, e->levels);
  if (e->bare) hf_trie_put(set->bare, &e->bare_place, e->bare_levels);
  e->levels = e->bare_levels = NULL;
  hf_list_append(&set->all, &e->all);
  hf_index_put(&set->filters, &e->by_filter, key(hf_entry_filter(e)));
  if (set->filters.count > set->most) set->most = set->filters.count;
}

void hf_entry_free(hf_subscriptions *set, hf_entry *e) {
  while (!hf_list_empty(&e->wishes)) {
    hf_wish *w = HF_OWNER(hf_wish, with_filter, e->wishes.next);
    hf_entry_leave(w);
    hf_wish_free(w);
  }
  unname(set, e);
  hf_trie_remove(set->topics, &e->place);
  if (e->bare) hf_trie_remove(set->bare, &e->bare_place);
  hf_index_remove(&set->filters, &e->by_filter);
  hf_list_remove(&e->all);
  free(e);
}

/* ---- its wishes ---- */

void hf_entry_join(hf_entry *e, hf_wish *w) {
  w->entry = e;
  hf_list_append(&e->wishes, &w->with_filter);
  if (w->options.identifier) hf_list_append(&e->identified, &w->with_identifier);
  if (e->unheard == &e->wishes) e->unheard = &w->with_filter;
  e->with_qos[w->options.qos]++;
}

void hf_entry_leave(hf_wish *w) {
  hf_entry *e = w->entry;
  if (e->unheard == &w->with_filter) e->unheard = w->with_filter.next;
  hf_list_remove(&w->with_filter);
  if (w->options.identifier) hf_list_remove(&w->with_identifier);
  e->with_qos[w->options.qos]--;
  w->entry = NULL;
}

size_t hf_entry_wishes(const hf_entry *e) {
  return e->with_qos[0] + e->with_qos[1] + e->with_qos[2];
}

static uint32_t users_identifier(const hf_entry *e) {
  if (hf_list_empty(&e->identified)) return 0;
  return HF_OWNER(hf_wish, with_identifier, e->identified.previous)->options.identifier;
}

hf_wish_options hf_entry_wanted(const hf_entry *e) {
  hf_wish_options options = HF_OWNER(hf_wish, with_filter, e->wishes.previous)->options;
  options.qos = e->with_qos[2] ? 2 : e->with_qos[1] ? 1 : 0;
  options.identifier = e->identifier;
  return options;
}

/* ---- its identifier ---- */

static void choose(hf_subscriptions *set, hf_entry *e) {
  e->chosen = set->last_identifier = hf_index_unused(&set->identifiers, set->last_identifier, HF_MOST_IDENTIFIER);
}

/* Somebody else goes by the number that the set has chosen for it. */
static bool lost_choice(const hf_subscriptions *set, const hf_entry *e) {
  const hf_entry *other = hf_entry_named(set, e->chosen);
  return other && (other != e || !hf_list_empty(&e->namesakes));
}

void hf_entry_renumber(hf_subscriptions *set, hf_entry *e) {
  uint32_t identifier = users_identifier(e);
  if (!identifier) {
    if (!e->chosen || lost_choice(set, e)) choose(set, e);
    identifier = e->chosen;
  }
  if (e->identifier == identifier) return;
  unname(set, e);
  name(set, e, identifier);
}

bool hf_subscriptions_chosen(const hf_subscriptions *set, uint32_t identifier) {
  const hf_entry *e = hf_entry_named(set, identifier);
  return e && e->chosen == identifier && hf_list_empty(&e->identified);
}

hf_entry *hf_entry_yield(hf_subscriptions *set, const hf_entry *user, uint32_t identifier) {
  hf_entry *e = hf_entry_named(set, identifier);
  if (!e || e == user || e->chosen != identifier || users_identifier(e) || hf_list_empty(&e->wishes)) return NULL;
  choose(set, e);
  hf_entry_renumber(set, e);
  return e;
}
