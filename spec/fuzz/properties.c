/* Properties and messages of any shape: copies are whole, in one block of the size that was asked for. */
#include "bytes.h"
#include "core/message.h"
#include "core/wire.h"
#include "work.h"

enum { MOST = 20 };

static bool same(hf_bytes a, hf_bytes b) {
  return !a.data == !b.data && a.length == b.length && (!a.length || memcmp(a.data, b.data, a.length) == 0);
}

static bool same_properties(const hf_properties *a, const hf_properties *b) {
  bool equal = same(a->content_type, b->content_type) && same(a->response_topic, b->response_topic) &&
               same(a->correlation_data, b->correlation_data) && same(a->reason_string, b->reason_string) &&
               same(a->server_reference, b->server_reference) && a->user_count == b->user_count &&
               a->subscription_identifier_count == b->subscription_identifier_count && a->present == b->present;
  for (size_t i = 0; equal && i < a->user_count; i++)
    equal = same(a->user[i].name, b->user[i].name) && same(a->user[i].value, b->user[i].value);
  for (size_t i = 0; equal && i < a->subscription_identifier_count; i++)
    equal = a->subscription_identifiers[i] == b->subscription_identifiers[i];
  return equal;
}

/* As they are on the wire: refused, or read into what takes no more bytes. */
static void read_back(const uint8_t *data, size_t size) {
  hf_properties *read = NULL;
  bool right = false, wrong = false;
  linear(size, right = hf_wire_read_properties((hf_bytes){(const char *)data, size}, &read, &wrong));
  promise(right != wrong && (right || !read));
  if (!read) return;
  size_t needed = hf_properties_publish_size(read);
  promise(needed <= size);
  char *written = malloc(needed ? needed : 1);
  if (!written) abort();
  promise(hf_wire_put_properties(written, read) == written + needed);
  free(written);
  free(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  read_back(data, size);
  bytes from = {data, size};
  hf_bytes texts[5 + 2 * MOST];
  hf_user_property user[MOST];
  uint32_t identifiers[MOST];
  size_t taken = 0;
  hf_properties given = {.user = user, .subscription_identifiers = identifiers};
  hf_bytes *plain[] = {&given.content_type, &given.response_topic, &given.correlation_data, &given.reason_string,
                       &given.server_reference};
  uint8_t which = take_byte(&from);
  for (size_t i = 0; i < 5; i++)
    if (which >> i & 1) *plain[i] = texts[taken++] = take_text(&from);
  given.present = which >> 5;
  given.user_count = take_byte(&from) % (MOST + 1u);
  for (size_t i = 0; i < given.user_count; i++) {
    user[i].name = texts[taken++] = take_text(&from);
    user[i].value = texts[taken++] = take_text(&from);
  }
  given.subscription_identifier_count = take_byte(&from) % (MOST + 1u);
  for (size_t i = 0; i < given.subscription_identifier_count; i++)
    identifiers[i] = take_number(&from);
  hf_bytes topic = take_text(&from), payload = take_text(&from);

  hf_properties *copy = NULL;
  linear(size + given.subscription_identifier_count, copy = hf_properties_copy(&given));
  promise(same_properties(&given, copy));
  free(copy);
  hf_publish *publish = hf_publish_new(topic, payload, &given);
  hf_message *message = NULL;
  linear(size + given.subscription_identifier_count,
         message = hf_message_new(topic, payload, which & 1 ? &given : NULL));
  promise(same(publish->topic, topic) && same(publish->payload, payload));
  promise(same(message->topic, topic) && same(message->payload, payload));
  promise(same_properties(&given, publish->properties));
  promise(!message->properties || same_properties(&given, message->properties));
  promise(publish->topic.data[topic.length] == '\0' && publish->payload.data[payload.length] == '\0');
  publish->qos = which % 3;
  size_t packet = hf_publish_packet_size(publish);
  promise(packet >= 2 + 2 + topic.length + payload.length + hf_properties_publish_size(&given));
  hf_publish_free(publish);
  hf_message_free(message);
  free_text(topic);
  free_text(payload);
  while (taken)
    free_text(texts[--taken]);
  return 0;
}
