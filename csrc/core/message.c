#include "core/message.h"

#include <stdlib.h>
#include <string.h>

#include "core/message_block.h"
#include "core/publish_block.h"
#include "core/wire.h"

/* The block: the struct, then the properties (aligned as the struct is), then topic and payload with a NUL each. */

static size_t body_size(hf_bytes topic, hf_bytes payload, const hf_properties *properties) {
  size_t size = topic.length + 1 + payload.length + 1;
  return properties ? size + sizeof *properties + hf_properties_weight(properties) : size;
}

static hf_bytes put_bytes(char *at, hf_bytes from) {
  if (from.length) memcpy(at, from.data, from.length);
  at[from.length] = '\0';
  return (hf_bytes){at, from.length};
}

static hf_properties *fill_body(void *body, hf_bytes *topic, hf_bytes *payload, const hf_properties *properties) {
  char *at = body;
  hf_properties *copy = NULL;
  if (properties) {
    copy = hf_properties_copy_into(body, properties);
    at += sizeof *properties + hf_properties_weight(properties);
  }
  *topic = put_bytes(at, *topic);
  *payload = put_bytes(at + topic->length + 1, *payload);
  return copy;
}

/* In both kinds the topic's place is cleared, too: where the compiler knows the length it has the processor clear word
 * by word, and what follows in the thread waits for that. */
static void fill(hf_publish *publish, hf_bytes topic, hf_bytes payload, const hf_properties *properties) {
  memset(publish, 0, sizeof *publish + topic.length);
  publish->topic = topic;
  publish->payload = payload;
  publish->deadline = publish->expires = INT64_MAX;
  publish->properties = fill_body(publish + 1, &publish->topic, &publish->payload, properties);
}

hf_publish *hf_publish_new_by(void *(*allocate)(size_t), hf_bytes topic, hf_bytes payload,
                              const hf_properties *properties) {
  hf_publish *publish = allocate(sizeof *publish + body_size(topic, payload, properties));
  if (publish) fill(publish, topic, payload, properties);
  return publish;
}

hf_publish *hf_publish_new(hf_bytes topic, hf_bytes payload, const hf_properties *properties) {
  return hf_publish_new_by(malloc, topic, payload, properties);
}

size_t hf_publish_size(hf_bytes topic, hf_bytes payload) {
  enum { GRAIN = _Alignof(hf_publish) };
  return (sizeof(hf_publish) + body_size(topic, payload, NULL) + GRAIN - 1) / GRAIN * GRAIN;
}

void hf_publish_fill(hf_publish *publish, hf_bytes topic, hf_bytes payload) {
  fill(publish, topic, payload, NULL);
}

hf_publish *hf_publish_shrink(hf_publish *publish) {
  publish->topic = publish->payload = (hf_bytes){NULL, 0};
  publish->properties = NULL;
  hf_publish_block *block = publish->block;
  hf_publish *smaller = block ? malloc(sizeof *smaller) : realloc(publish, sizeof *publish);
  if (!smaller) return publish;
  if (!block) return smaller;
  *smaller = *publish;
  smaller->block = NULL;
  hf_publish_block_release(block, 1);
  return smaller;
}

void hf_publish_count_down(hf_publish *publish, int64_t now) {
  if (publish->expires == INT64_MAX) return;
  int64_t left = (publish->expires - now + 999) / 1000;
  if (left < 1) left = 1;
  if (left < publish->properties->message_expiry) publish->properties->message_expiry = (uint32_t)left;
}

size_t hf_message_size(hf_bytes topic, hf_bytes payload, const hf_properties *properties) {
  enum { GRAIN = _Alignof(hf_message) }; /* more than a pointer's on some machines of 32 bit */
  return (sizeof(hf_message) + body_size(topic, payload, properties) + GRAIN - 1) / GRAIN * GRAIN;
}

void hf_message_fill(hf_message *message, hf_bytes topic, hf_bytes payload, const hf_properties *properties) {
  memset(message, 0, sizeof *message + topic.length);
  message->topic = topic;
  message->payload = payload;
  message->properties = fill_body(message + 1, &message->topic, &message->payload, properties);
  message->wishes = message->wishes_inline;
}

hf_message *hf_message_new(hf_bytes topic, hf_bytes payload, const hf_properties *properties) {
  hf_message *message = malloc(hf_message_size(topic, payload, properties));
  if (message) hf_message_fill(message, topic, payload, properties);
  return message;
}

size_t hf_publish_weight(hf_bytes topic, hf_bytes payload) {
  return sizeof(hf_publish) + topic.length + payload.length;
}

size_t hf_publish_weigh(const hf_publish *publish) {
  return hf_publish_weight(publish->topic, publish->payload) +
         (publish->properties ? hf_properties_weight(publish->properties) : 0);
}

size_t hf_publish_packet_size(const hf_publish *publish) {
  size_t properties = hf_properties_publish_size(publish->properties);
  size_t rest = 2 + publish->topic.length + (publish->qos > 0 ? 2 : 0) + hf_wire_number_size(properties) + properties +
                publish->payload.length;
  return 1 + hf_wire_number_size(rest) + rest;
}

void hf_publish_free(hf_publish *publish) {
  if (publish && publish->block)
    hf_publish_block_release(publish->block, 1);
  else
    free(publish);
}

void hf_message_free(hf_message *message) {
  if (!message) return;
  if (message->wishes != message->wishes_inline) free(message->wishes);
  if (message->block)
    hf_message_block_release(message->block);
  else
    free(message);
}
