#include "mqtt/aliases.h"

#include <stdlib.h>
#include <string.h>

static bool learn(hf_aliases_in *aliases, size_t place, hf_bytes topic) {
  if (!aliases->topics) aliases->topics = calloc(HF_ALIASES_IN, sizeof *aliases->topics);
  char *copy = aliases->topics ? malloc(topic.length) : NULL;
  if (!copy) return false;
  memcpy(copy, topic.data, topic.length);
  free((char *)aliases->topics[place].data);
  aliases->topics[place] = (hf_bytes){copy, topic.length};
  return true;
}

hf_alias_read hf_aliases_resolve(hf_aliases_in *aliases, uint16_t alias, hf_bytes *topic) {
  if (alias == 0 || alias > HF_ALIASES_IN) return HF_ALIAS_INVALID;
  size_t place = alias - 1u;
  if (topic->length > 0) return learn(aliases, place, *topic) ? HF_ALIAS_FINE : HF_ALIAS_NO_MEMORY;
  if (!aliases->topics || !aliases->topics[place].data) return HF_ALIAS_UNKNOWN;
  *topic = aliases->topics[place];
  return HF_ALIAS_FINE;
}

void hf_aliases_in_clear(hf_aliases_in *aliases) {
  for (size_t i = 0; aliases->topics && i < HF_ALIASES_IN; i++)
    free((char *)aliases->topics[i].data);
  free(aliases->topics);
  *aliases = (hf_aliases_in){0};
}
