#include "core/line.h"

static void put_before(hf_line *line, hf_publish *publish, hf_publish *next) {
  hf_publish *previous = next ? next->previous : line->last;
  publish->next = next;
  publish->previous = previous;
  if (previous)
    previous->next = publish;
  else
    line->first = publish;
  if (next)
    next->previous = publish;
  else
    line->last = publish;
}

void hf_line_append(hf_line *line, hf_publish *publish) {
  put_before(line, publish, NULL);
}

void hf_line_insert(hf_line *line, hf_publish *publish) {
  hf_publish *next = line->first, *previous = line->last;
  while (next && next->id < publish->id && previous->id > publish->id) {
    next = next->next;
    previous = previous->previous;
  }
  if (next && next->id < publish->id) next = previous->next;
  put_before(line, publish, next);
}

void hf_line_remove(hf_line *line, hf_publish *publish) {
  if (publish->previous)
    publish->previous->next = publish->next;
  else
    line->first = publish->next;
  if (publish->next)
    publish->next->previous = publish->previous;
  else
    line->last = publish->previous;
  publish->next = publish->previous = NULL;
}

bool hf_line_has(const hf_line *line, const hf_publish *publish) {
  return publish->previous || line->first == publish;
}
