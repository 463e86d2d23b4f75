#include "store/inside.h"

#include <stdlib.h>
#include <string.h>

#include "core/wire.h"

/* SQLite checks the sums of its log, but not of its file: a page that comes back as zeros may be the middle of a
 * payload, and nobody would notice. */

static uint64_t mix(uint64_t sum, uint64_t value) {
  sum = (sum ^ value) * 0x9E3779B97F4A7C15u;
  return sum ^ sum >> 29;
}

static uint64_t mix_bytes(uint64_t sum, hf_bytes bytes) {
  sum = mix(sum, bytes.length);
  size_t at = 0;
  for (uint64_t word; at + sizeof word <= bytes.length; at += sizeof word) {
    memcpy(&word, bytes.data + at, sizeof word);
    sum = mix(sum, word);
  }
  for (; at < bytes.length; at++)
    sum = mix(sum, (unsigned char)bytes.data[at]);
  return sum;
}

int64_t hf_store_sum(const hf_publish *publish, int64_t deadline, int64_t expires, hf_bytes properties) {
  uint64_t sum = mix(mix(1, publish->id), (uint64_t)hf_store_flags(publish));
  sum = mix(mix(sum, (uint64_t)deadline), (uint64_t)expires);
  return (int64_t)mix_bytes(mix_bytes(mix_bytes(sum, publish->topic), publish->payload), properties);
}

/* QoS, retain, and from the third version on the priority. */
enum { RETAIN = 4, PRIORITY_SHIFT = 3 };

int64_t hf_store_flags(const hf_publish *publish) {
  return publish->qos | (publish->retain ? RETAIN : 0) | publish->priority << PRIORITY_SHIFT;
}

static bool are_flags(int64_t flags) {
  return (flags & 3) > 0 && (flags & 3) < 3 && flags >> PRIORITY_SHIFT < HF_PRIORITIES && flags > 0;
}

static hf_bytes bytes_at(sqlite3_stmt *row, int column) {
  const char *data = sqlite3_column_blob(row, column); /* NULL when it is empty */
  return (hf_bytes){data, (size_t)sqlite3_column_bytes(row, column)};
}

/* id, flags, deadline, expires, topic, payload, properties, sum, packet_id, released */
hf_publish *hf_store_publish(sqlite3_stmt *row, hf_store_problem *problem, const char *path) {
  hf_bytes topic = bytes_at(row, 4), payload = bytes_at(row, 5), written = bytes_at(row, 6);
  int64_t flags = sqlite3_column_int64(row, 1);
  hf_properties *properties;
  bool wrong, read = hf_wire_read_properties(written, &properties, &wrong);
  hf_publish *publish = read || wrong ? hf_publish_new(topic, payload, properties) : NULL;
  free(properties);
  if (!publish) {
    hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
    return NULL;
  }
  publish->id = (uint64_t)sqlite3_column_int64(row, 0);
  publish->qos = (uint8_t)(flags & 3);
  publish->retain = flags & RETAIN;
  publish->priority = are_flags(flags) ? (uint8_t)(flags >> PRIORITY_SHIFT) : 0;
  publish->deadline = sqlite3_column_int64(row, 2);
  publish->expires = sqlite3_column_int64(row, 3);
  publish->packet_id = (uint16_t)sqlite3_column_int64(row, 8);
  publish->released = sqlite3_column_int64(row, 9) & 1;
  publish->place = (uint64_t)sqlite3_column_int64(row, 9) >> 1;
  if (read && are_flags(flags) &&
      hf_store_sum(publish, publish->deadline, publish->expires, written) == sqlite3_column_int64(row, 7))
    return publish;
  hf_publish_free(publish);
  hf_store_say(problem, HF_STORE_CORRUPT, path, "a message is not what it was");
  return NULL;
}
