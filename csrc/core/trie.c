#include "core/trie.h"

#include <stdlib.h>
#include <string.h>

#include "core/index.h"

typedef struct hf_trie_level level;

struct hf_trie_level {
  hf_index_link by_path; /* of those that are neither "+" nor "#" */
  level *parent;
  level *any, *rest; /* its children "+" and "#" */
  level *beside;     /* while looking: the next one that the topic has led to; of no trie yet: the next of its filter */
  hf_list_link items;
  size_t children;
  size_t length;
  char text[];
};

struct hf_trie {
  hf_index levels; /* of all parents together */
  level *root;
};

/* ---- levels ---- */

/* The text up to the next slash; `*rest` is what follows that, its data NULL when there is none. */
static hf_bytes first_level(hf_bytes text, hf_bytes *rest) {
  const char *slash = memchr(text.data, '/', text.length);
  *rest = (hf_bytes){0};
  if (!slash) return text;
  size_t length = (size_t)(slash - text.data);
  *rest = (hf_bytes){slash + 1, text.length - length - 1};
  return (hf_bytes){text.data, length};
}

static bool is(hf_bytes text, char character) {
  return text.length == 1 && *text.data == character;
}

static uint32_t path(const level *parent, uint32_t hash) {
  return (parent->by_path.key ^ hash) * 16777619u;
}

static level *find(const hf_trie *trie, const level *parent, hf_bytes text, uint32_t hash) {
  if (parent->children == (size_t)(parent->any != NULL) + (size_t)(parent->rest != NULL)) return NULL;
  hf_index_link *at = hf_index_find(&trie->levels, path(parent, hash));
  for (; at; at = hf_index_again(at)) {
    level *found = HF_OWNER(level, by_path, at);
    if (found->parent == parent && found->length == text.length && memcmp(found->text, text.data, text.length) == 0)
      return found;
  }
  return NULL;
}

/* In the place of `made`, which has the text of it. */
static level *child(hf_trie *trie, level *parent, level *made) {
  hf_bytes text = {made->text, made->length};
  level **wild = is(text, '+') ? &parent->any : is(text, '#') ? &parent->rest : NULL;
  uint32_t hash = hf_index_hash(text.data, text.length);
  level *found = wild ? *wild : find(trie, parent, text, hash);
  if (found) {
    free(made);
    return found;
  }
  made->parent = parent;
  made->by_path.key = path(parent, hash);
  parent->children++;
  if (wild)
    *wild = made;
  else
    hf_index_put(&trie->levels, &made->by_path, made->by_path.key);
  return made;
}

/* Takes away the level, and those above it, that nothing needs. */
static void prune(hf_trie *trie, level *at) {
  while (at->parent && at->children == 0 && hf_list_empty(&at->items)) {
    level *parent = at->parent;
    if (parent->any == at)
      parent->any = NULL;
    else if (parent->rest == at)
      parent->rest = NULL;
    else
      hf_index_remove(&trie->levels, &at->by_path);
    parent->children--;
    free(at);
    at = parent;
  }
}

/* ---- the trie ---- */

hf_trie *hf_trie_new(void) {
  hf_trie *trie = calloc(1, sizeof *trie);
  level *root = calloc(1, sizeof *root);
  if (trie && root) {
    hf_index_init(&trie->levels);
    hf_list_init(&root->items);
    trie->root = root;
    return trie;
  }
  free(trie);
  free(root);
  return NULL;
}

void hf_trie_free(hf_trie *trie) {
  if (!trie) return;
  hf_index_free(&trie->levels);
  free(trie->root);
  free(trie);
}

void hf_trie_free_levels(level *levels) {
  while (levels) {
    level *next = levels->beside;
    free(levels);
    levels = next;
  }
}

level *hf_trie_levels(hf_bytes filter) {
  level *first = NULL, **last = &first;
  do {
    hf_bytes text = first_level(filter, &filter);
    level *made = calloc(1, sizeof *made + text.length);
    if (!made) {
      hf_trie_free_levels(first);
      return NULL;
    }
    made->length = text.length;
    if (text.length) memcpy(made->text, text.data, text.length);
    hf_list_init(&made->items);
    *last = made;
    last = &made->beside;
  } while (filter.data);
  return first;
}

void hf_trie_put(hf_trie *trie, hf_trie_item *item, level *levels) {
  level *at = trie->root;
  while (levels) {
    level *next = levels->beside;
    at = child(trie, at, levels);
    levels = next;
  }
  item->level = at;
  hf_list_append(&at->items, &item->beside);
}

void hf_trie_remove(hf_trie *trie, hf_trie_item *item) {
  hf_list_remove(&item->beside);
  prune(trie, item->level);
}

/* ---- looking ---- */

typedef struct looker {
  void (*found)(void *context, const hf_trie_item *item);
  void *context;
} looker;

static void tell(const looker *who, const level *at) {
  if (!at) return;
  for (const hf_list_link *item = at->items.next; item != &at->items; item = item->next)
    who->found(who->context, HF_OWNER(const hf_trie_item, beside, item));
}

static void reach(level **all, level *at) {
  if (!at) return;
  at->beside = *all;
  *all = at;
}

/* Level by level, all that the topic leads to at once: each level of the topic is looked at once, and no path through
 * the tree needs a stack, however many levels a topic has. */
void hf_trie_match(hf_trie *trie, hf_bytes topic, void (*found)(void *context, const hf_trie_item *item),
                   void *context) {
  looker who = {found, context};
  level *here = NULL;
  reach(&here, trie->root);
  bool hidden = topic.length > 0 && topic.data[0] == '$'; /* from a wildcard at the start [MQTT-4.7.2-1] */
  while (here && topic.data) {
    level *there = NULL;
    hf_bytes text = first_level(topic, &topic);
    uint32_t hash = hf_index_hash(text.data, text.length);
    for (level *at = here; at; at = at->beside) {
      if (!hidden) tell(&who, at->rest);
      if (!hidden) reach(&there, at->any);
      reach(&there, find(trie, at, text, hash));
    }
    hidden = false;
    here = there;
  }
  for (; here; here = here->beside) {
    tell(&who, here);
    tell(&who, here->rest); /* "a/#" matches "a" */
  }
}
