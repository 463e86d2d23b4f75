/* Topic names, topic filters, and which matches which, beside a slower way to say the same. */
#include "core/topic.h"

#include "bytes.h"
#include "core/trie.h"
#include "work.h"

/* Level by level, from MQTT 5 section 4.7 as it is written. */
static bool matches(const char *filter, const char *filter_end, const char *name, const char *name_end) {
  for (;;) {
    const char *f = memchr(filter, '/', (size_t)(filter_end - filter)), *f_end = f ? f : filter_end;
    const char *n = memchr(name, '/', (size_t)(name_end - name)), *n_end = n ? n : name_end;
    if (f_end - filter == 1 && *filter == '#') return true;
    bool any = f_end - filter == 1 && *filter == '+';
    if (!any && (f_end - filter != n_end - name || memcmp(filter, name, (size_t)(n_end - name)) != 0)) return false;
    if (!n) return !f || (filter_end - f == 2 && f[1] == '#');
    if (!f) return false;
    filter = f + 1;
    name = n + 1;
  }
}

static void count(void *context, const hf_trie_item *item) {
  (void)item;
  ++*(int *)context;
}

/* The same by a trie, twice in which the filter is, and which is empty again afterwards. */
static int found_in_trie(hf_bytes filter, hf_bytes name) {
  hf_trie *trie = hf_trie_new();
  hf_trie_item items[2];
  int found = 0;
  for (int i = 0; i < 2; i++)
    linear(filter.length, hf_trie_put(trie, &items[i], hf_trie_levels(hf_topic_unshared(filter))));
  linear(filter.length + name.length, hf_trie_match(trie, name, count, &found));
  for (int i = 0; i < 2; i++)
    linear(filter.length, hf_trie_remove(trie, &items[i]));
  hf_trie_match(trie, name, count, &found);
  hf_trie_free(trie);
  return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size};
  hf_bytes filter = take_text(&from), name = take_text(&from);
  const char *bad_filter = NULL, *bad_name = NULL;
  linear(filter.length, bad_filter = hf_topic_filter_problem(filter));
  linear(name.length, bad_name = hf_topic_name_problem(name));
  promise(!bad_filter || strlen(bad_filter) > 0);
  if (!bad_name) {
    promise(!hf_topic_has_wildcard(name));
    for (size_t i = 0; i < name.length; i++)
      promise((unsigned char)name.data[i] >= 0x20 && name.data[i] != 0x7F);
  }
  if (!bad_filter && !bad_name) {
    const char *start = filter.data, *end = filter.data + filter.length;
    if (hf_topic_is_shared(filter)) start = (const char *)memchr(start + 7, '/', filter.length - 7) + 1;
    bool hidden = name.data[0] == '$' && start < end && *start != '$';
    bool wanted = !hidden && matches(start, end, name.data, name.data + name.length);
    bool found = false;
    linear(filter.length + name.length, found = hf_topic_matches(filter, name));
    promise(found == wanted);
    promise(found_in_trie(filter, name) == (wanted ? 2 : 0));
  }
  free_text(filter);
  free_text(name);
  return 0;
}
