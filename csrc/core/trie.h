/* trie.h: topic filters, found by the topics that they match.
 *
 * A tree of levels, so that a look-up costs what the topic is long and what of
 * the tree it meets, not how many filters there are (MQTT 5 section 4.7). A
 * filter is an item embedded in whatever it belongs to; one filter may be there
 * any number of times. What a filter may need of memory is had beforehand, so
 * that putting it in cannot fail. "$share/group/" is a level like any other here: whoever
 * wants it without puts in what follows. The trie owns its levels, never the
 * items, and the caller takes an item out before freeing it. Pure: any thread,
 * one at a time, looking included.
 */
#ifndef HF_CORE_TRIE_H
#define HF_CORE_TRIE_H

#include "core/list.h"
#include "core/properties.h"

typedef struct hf_trie hf_trie;

typedef struct hf_trie_item {
  hf_list_link beside; /* others with the same filter */
  struct hf_trie_level *level;
} hf_trie_item;

hf_trie *hf_trie_new(void);       /* NULL when memory is short */
void hf_trie_free(hf_trie *trie); /* which must be empty */

/* All levels that a filter may need, of no trie yet; the filter must be valid, and is copied. NULL when memory is
 * short.
 */
struct hf_trie_level *hf_trie_levels(hf_bytes filter);
void hf_trie_free_levels(struct hf_trie_level *levels); /* or NULL */

/* Takes the levels, which are those of the item's filter. */
void hf_trie_put(hf_trie *trie, hf_trie_item *item, struct hf_trie_level *levels);
void hf_trie_remove(hf_trie *trie, hf_trie_item *item); /* which must be in it */

/* Calls `found` for each item whose filter matches the topic, in an order that means nothing; `found` must not change
 * the trie. */
void hf_trie_match(hf_trie *trie, hf_bytes topic, void (*found)(void *context, const hf_trie_item *item),
                   void *context);

#endif
