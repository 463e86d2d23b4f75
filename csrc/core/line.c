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
  hf_publish *before = line->recent ? line->recent : line->last;
  if (line->first && line->first->place < publish->place) {
    if (line->last->place < publish->place) before = line->last;
    while (before->place > publish->place)
      before = before->previous;
    while (before->next && before->next->place < publish->place)
      before = before->next;
    put_before(line, publish, before->next);
  } else {
    put_before(line, publish, line->first);
  }
  line->recent = publish;
}

void hf_line_remove(hf_line *line, hf_publish *publish) {
  if (line->recent == publish) line->recent = publish->previous;
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

hf_line *hf_lines_of(hf_lines *lines, const hf_publish *publish) {
  while (lines->highest > 0 && !lines->of[lines->highest].first)
    lines->highest--;
  if (publish->priority > lines->highest) lines->highest = publish->priority;
  return &lines->of[publish->priority];
}

hf_publish *hf_lines_first(const hf_lines *lines) {
  for (size_t priority = lines->highest + 1; priority-- > 0;)
    if (lines->of[priority].first) return lines->of[priority].first;
  return NULL;
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
