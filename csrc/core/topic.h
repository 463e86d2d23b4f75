/* topic.h: what a topic name and a topic filter may look like, and which matches which.
 *
 * MQTT 5 section 4.7 and 1.5.4 (UTF-8 strings). Pure, no memory: any thread.
 */
#ifndef HF_CORE_TOPIC_H
#define HF_CORE_TOPIC_H

#include <stdbool.h>

#include "core/properties.h"

/* What is wrong, as words that continue "topic ": "must not be empty", or NULL when nothing is. */
const char *hf_topic_name_problem(hf_bytes name);
const char *hf_topic_filter_problem(hf_bytes filter);

/* What any string must be: valid UTF-8 of at most 65,535 bytes, without NUL, surrogates or anything past U+10FFFF. */
const char *hf_utf8_malformed(hf_bytes text);

/* And one that goes out: it has neither U+0001 to U+001F, U+007F to U+009F nor non-characters, over which the receiver
 * may close the connection (MQTT 5 section 1.5.4; mosquitto does). */
const char *hf_utf8_problem(hf_bytes text);

/* One line, without what could upset a terminal: each byte of such a control character becomes a blank. */
void hf_utf8_to_line(char *text);

/* Whether a message on `name` belongs to `filter`; "$share/group/..." counts by what follows the group, and a
 * wildcard at the start does not match a name that starts with "$" [MQTT-4.7.2-1]. Both must be valid. */
bool hf_topic_matches(hf_bytes filter, hf_bytes name);

/* What counts of a filter: what follows "$share/group/", or all of it. */
hf_bytes hf_topic_unshared(hf_bytes filter);

/* What follows "$queue/" or "$exclusive/", by which EMQX means a way to subscribe and all others a topic of that name;
 * no data when there is neither. */
hf_bytes hf_topic_bare(hf_bytes filter);

bool hf_topic_is_shared(hf_bytes filter);
bool hf_topic_has_wildcard(hf_bytes filter);

#endif
