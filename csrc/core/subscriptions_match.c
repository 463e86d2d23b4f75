#include "core/subscriptions_inside.h"
#include "core/topic.h"

typedef struct collector {
  const hf_subscriptions *set;
  uint32_t *wishes;
  size_t room;
  size_t count;
  bool ours; /* an identifier is */
} collector;

static void collect(collector *into, const hf_entry *e) {
  for (const hf_list_link *at = e->wishes.next; at != &e->wishes; at = at->next) {
    if (into->count < into->room) into->wishes[into->count] = HF_OWNER(hf_wish, with_filter, at)->by_number.key;
    into->count++;
  }
}

/* ---- by identifier ---- */

/* Marks who goes by one of them; false when nobody does. */
static bool mark(hf_subscriptions *set, const uint32_t *identifiers, size_t count) {
  bool any = false;
  set->looks++;
  for (size_t i = 0; i < count; i++) {
    hf_entry *e = hf_entry_named(set, identifiers[i]);
    if (!e) continue;
    e->named = set->looks;
    any = true;
  }
  return any;
}

/* An entry without wishes is still ours: its message is for nobody. */
static void collect_marked(collector *into, const hf_entry *e) {
  if (hf_entry_named(into->set, e->identifier)->named != into->set->looks) return;
  into->ours = true;
  collect(into, e);
}

static void found_marked(void *into, const hf_trie_item *item) {
  collect_marked(into, HF_OWNER(const hf_entry, place, item));
}

static void found_bare(void *into, const hf_trie_item *item) {
  collect_marked(into, HF_OWNER(const hf_entry, bare_place, item));
}

/* What most messages come with: one identifier, of one filter. NULL: it has to be looked for. */
static const hf_entry *sole(const hf_subscriptions *set, hf_bytes topic, const uint32_t *identifiers, size_t count) {
  const hf_entry *e = count == 1 ? hf_entry_named(set, identifiers[0]) : NULL;
  return e && hf_list_empty(&e->namesakes) && hf_topic_matches(hf_entry_filter(e), topic) ? e : NULL;
}

/* ---- by topic ---- */

static void found(void *into, const hf_trie_item *item) {
  const hf_entry *e = HF_OWNER(const hf_entry, place, item);
  bool refused_only = e->verdict == HF_REFUSED && !e->known;
  if (!refused_only) collect(into, e);
}

size_t hf_subscriptions_match(hf_subscriptions *set, hf_bytes topic, const uint32_t *identifiers,
                              size_t identifier_count, uint32_t *wishes, size_t room) {
  collector into = {.set = set, .wishes = wishes, .room = room};
  const hf_entry *only = sole(set, topic, identifiers, identifier_count);
  if (only) {
    collect(&into, only);
    return into.count;
  }
  if (mark(set, identifiers, identifier_count)) {
    hf_trie_match(set->topics, topic, found_marked, &into);
    hf_trie_match(set->bare, topic, found_bare, &into);
  }
  if (!into.ours) hf_trie_match(set->topics, topic, found, &into);
  return into.count;
}
