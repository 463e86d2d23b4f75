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

void hf_line_append(hf_line *line, hf_publish *publish); /* its place is the highest */

/* To where its place is: to an end, or else looked for from where the last one went, since what comes back from a
 * lost connection comes in runs. */
void hf_line_insert(hf_line *line, hf_publish *publish);

void hf_line_remove(hf_line *line, hf_publish *publish);

bool hf_line_has(const hf_line *line, const hf_publish *publish); /* which is in no other line */

/* One line for each priority. */
typedef struct hf_lines {
  hf_line of[HF_PRIORITIES];
  size_t highest; /* the lines above it are empty */
} hf_lines;

hf_line *hf_lines_of(hf_lines *lines, const hf_publish *publish); /* to put it in, or to take it out */
hf_publish *hf_lines_first(const hf_lines *lines); /* the oldest of the highest priority; NULL: all are empty */
hf_publish *hf_lines_least(const hf_lines *lines); /* the oldest of the lowest */
uint64_t hf_lines_latest(const hf_lines *lines);   /* the highest id; 0 */

#endif
