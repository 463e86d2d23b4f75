#include "mqtt/aliases.h"

#include <stdlib.h>
#include <string.h>

#include "core/index.h"

enum {
  MOST = 256,    /* that we give, whatever a broker allows */
  SHORTEST = 4,  /* the property takes three bytes */
  REMEMBERED = 4 /* topics that came once, an alias */
};

typedef struct given {
  hf_index_link by_topic;
  struct given *newer, *older; /* by their last use */
  uint16_t alias;
  uint16_t length;
  char topic[];
} given;

struct hf_aliases_out {
  hf_index by_topic;
  given *newest, *oldest;
  uint16_t maximum, count;
  uint32_t once[]; /* what topics that came once hash to, REMEMBERED a possible alias, each at one place; 0: none */
};

hf_aliases_out *hf_aliases_out_new(uint16_t maximum) {
  if (maximum == 0) return NULL;
  if (maximum > MOST) maximum = MOST;
  hf_aliases_out *aliases = calloc(1, sizeof *aliases + (size_t)maximum * REMEMBERED * sizeof aliases->once[0]);
  if (!aliases) return NULL;
  aliases->maximum = maximum;
  hf_index_init(&aliases->by_topic);
  return aliases;
}

void hf_aliases_out_free(hf_aliases_out *aliases) {
  if (!aliases) return;
  while (aliases->newest) {
    given *next = aliases->newest->older;
    free(aliases->newest);
    aliases->newest = next;
  }
  hf_index_free(&aliases->by_topic);
  free(aliases);
}

/* FNV-1a; never 0. */
static uint32_t hash(hf_bytes topic) {
  uint32_t sum = 2166136261u;
  for (size_t i = 0; i < topic.length; i++)
    sum = (sum ^ (unsigned char)topic.data[i]) * 16777619u;
  return sum ? sum : 1;
}

static bool is_of(const given *one, hf_bytes topic) {
  return one->length == topic.length && memcmp(one->topic, topic.data, topic.length) == 0;
}

static given *find(const hf_aliases_out *aliases, hf_bytes topic, uint32_t key) {
  hf_index_link *link = hf_index_find(&aliases->by_topic, key);
  while (link && !is_of((given *)link, topic))
    link = hf_index_again(link);
  return (given *)link;
}

static void leave_line(hf_aliases_out *aliases, given *one) {
  *(one->newer ? &one->newer->older : &aliases->newest) = one->older;
  *(one->older ? &one->older->newer : &aliases->oldest) = one->newer;
}

static void join_line(hf_aliases_out *aliases, given *one) {
  one->newer = NULL;
  one->older = aliases->newest;
  *(aliases->newest ? &aliases->newest->newer : &aliases->oldest) = one;
  aliases->newest = one;
}

/* Whether it has come before; remembers it. */
static bool comes_again(hf_aliases_out *aliases, uint32_t key) {
  uint32_t *place = &aliases->once[key % ((uint32_t)aliases->maximum * REMEMBERED)];
  bool again = *place == key;
  *place = key;
  return again;
}

static uint16_t give(hf_aliases_out *aliases, hf_bytes topic, uint32_t key) {
  given *one = malloc(sizeof *one + topic.length);
  if (!one) return 0;
  if (aliases->count < aliases->maximum) {
    one->alias = ++aliases->count;
  } else {
    given *old = aliases->oldest;
    one->alias = old->alias;
    hf_index_remove(&aliases->by_topic, &old->by_topic);
    leave_line(aliases, old);
    free(old);
  }
  one->length = (uint16_t)topic.length;
  memcpy(one->topic, topic.data, topic.length);
  hf_index_put(&aliases->by_topic, &one->by_topic, key);
  join_line(aliases, one);
  return one->alias;
}

uint16_t hf_aliases_choose(hf_aliases_out *aliases, hf_bytes topic, bool *known) {
  *known = false;
  if (!aliases || topic.length < SHORTEST) return 0;
  given *one = aliases->newest;
  if (!one || !is_of(one, topic)) {
    uint32_t key = hash(topic);
    one = find(aliases, topic, key);
    if (!one) return comes_again(aliases, key) ? give(aliases, topic, key) : 0;
    leave_line(aliases, one);
    join_line(aliases, one);
  }
  *known = true;
  return one->alias;
}
