/* line.h: messages on their way out, in the order of their places.
 *
 * A doubly linked list through the messages themselves, so that one which has
 * expired leaves the middle at once. The line owns nothing: whoever puts a
 * message in takes it out before it is freed, and a message is in one line at
 * a time. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_LINE_H
#define HF_CORE_LINE_H

#include "core/message.h"

typedef struct hf_line {
  hf_publish *first;
  hf_publish *last;
  hf_publish *recent; /* inserted last, or one near it; NULL: nobody knows */
} hf_line;

/* Each message passes these several times, so they are inline. */
static inline void hf_line_put_before(hf_line *line, hf_publish *publish, hf_publish *next) {
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

/* Its place is the highest. */
static inline void hf_line_append(hf_line *line, hf_publish *publish) {
  hf_line_put_before(line, publish, NULL);
}

/* To where its place is: to an end, or else looked for from where the last one went, since what comes back from a
 * lost connection comes in runs. */
void hf_line_insert(hf_line *line, hf_publish *publish);

static inline void hf_line_remove(hf_line *line, hf_publish *publish) {
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

bool hf_line_has(const hf_line *line, const hf_publish *publish); /* which is in no other line */

/* One line for each priority. */
typedef struct hf_lines {
  hf_line of[HF_PRIORITIES];
  size_t highest; /* the lines above it are empty */
} hf_lines;

/* To put it in, or to take it out. */
static inline hf_line *hf_lines_of(hf_lines *lines, const hf_publish *publish) {
  while (lines->highest > 0 && !lines->of[lines->highest].first)
    lines->highest--;
  if (publish->priority > lines->highest) lines->highest = publish->priority;
  return &lines->of[publish->priority];
}

/* The oldest of the highest priority; NULL: all are empty. */
static inline hf_publish *hf_lines_first(const hf_lines *lines) {
  for (size_t priority = lines->highest + 1; priority-- > 0;)
    if (lines->of[priority].first) return lines->of[priority].first;
  return NULL;
}

hf_publish *hf_lines_least(const hf_lines *lines); /* the oldest of the lowest */
uint64_t hf_lines_latest(const hf_lines *lines);   /* the highest id; 0 */

#endif
