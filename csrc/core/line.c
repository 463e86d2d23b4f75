#include "core/line.h"

void hf_line_insert(hf_line *line, hf_publish *publish) {
  hf_publish *before = line->recent ? line->recent : line->last;
  if (line->first && line->first->place < publish->place) {
    if (line->last->place < publish->place) before = line->last;
    while (before->place > publish->place)
      before = before->previous;
    while (before->next && before->next->place < publish->place)
      before = before->next;
    hf_line_put_before(line, publish, before->next);
  } else {
    hf_line_put_before(line, publish, line->first);
  }
  line->recent = publish;
}

bool hf_line_has(const hf_line *line, const hf_publish *publish) {
  return publish->previous || line->first == publish;
}

hf_publish *hf_lines_least(const hf_lines *lines) {
  for (size_t priority = 0; priority < HF_PRIORITIES; priority++)
    if (lines->of[priority].first) return lines->of[priority].first;
  return NULL;
}

uint64_t hf_lines_latest(const hf_lines *lines) {
  uint64_t latest = 0;
  for (size_t priority = 0; priority < HF_PRIORITIES; priority++) {
    const hf_publish *last = lines->of[priority].last;
    if (last && last->id > latest) latest = last->id;
  }
  return latest;
}
