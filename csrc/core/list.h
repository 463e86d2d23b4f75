/* list.h: circular lists through links that are embedded in what they list.
 *
 * The head is a link of its own; an empty list is a head that points to itself.
 * Nothing is owned and nothing can fail: whoever frees a struct takes its links
 * out first. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_LIST_H
#define HF_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct hf_list_link {
  struct hf_list_link *previous;
  struct hf_list_link *next;
} hf_list_link;

/* The struct of that type whose `member` is at `at`. */
#define HF_OWNER(type, member, at) ((type *)(void *)((char *)(at)-offsetof(type, member)))

static inline void hf_list_init(hf_list_link *head) {
  head->previous = head->next = head;
}

static inline void hf_list_append(hf_list_link *head, hf_list_link *at) {
  *at = (hf_list_link){.previous = head->previous, .next = head};
  head->previous->next = at;
  head->previous = at;
}

static inline void hf_list_prepend(hf_list_link *head, hf_list_link *at) {
  hf_list_append(head->next, at);
}

static inline void hf_list_remove(hf_list_link *at) {
  at->previous->next = at->next;
  at->next->previous = at->previous;
}

static inline bool hf_list_empty(const hf_list_link *head) {
  return head->next == head;
}

#endif
