#include "core/properties.h"

#include <stdlib.h>
#include <string.h>

/* A copy is laid out as: struct, user properties, identifiers, bytes; so every part is aligned by those before it. */

static size_t bytes_weight(hf_bytes bytes) {
  return bytes.data ? bytes.length + 1 : 0;
}

static hf_bytes put_bytes(char **end, hf_bytes from) {
  if (!from.data) return (hf_bytes){0};
  char *data = *end;
  if (from.length) memcpy(data, from.data, from.length);
  data[from.length] = '\0';
  *end += from.length + 1;
  return (hf_bytes){data, from.length};
}

size_t hf_properties_weight(const hf_properties *properties) {
  if (!properties) return 0;
  size_t weight = bytes_weight(properties->content_type) + bytes_weight(properties->response_topic) +
                  bytes_weight(properties->correlation_data) + bytes_weight(properties->reason_string) +
                  bytes_weight(properties->server_reference);
  weight += properties->user_count * sizeof(hf_user_property);
  for (size_t i = 0; i < properties->user_count; i++)
    weight += bytes_weight(properties->user[i].name) + bytes_weight(properties->user[i].value);
  return weight + properties->subscription_identifier_count * sizeof(uint32_t);
}

bool hf_properties_empty(const hf_properties *properties) {
  return !properties->content_type.data && !properties->response_topic.data && !properties->correlation_data.data &&
         !properties->reason_string.data && !properties->server_reference.data && properties->user_count == 0 &&
         properties->subscription_identifier_count == 0 && properties->present == 0;
}

/* An identifier, a length of two bytes, the text (MQTT 5 section 2.2.2.2). */
static size_t text_size(hf_bytes bytes) {
  return bytes.data ? 1 + 2 + bytes.length : 0;
}

size_t hf_properties_publish_size(const hf_properties *properties) {
  if (!properties) return 0;
  size_t size = text_size(properties->content_type) + text_size(properties->response_topic) +
                text_size(properties->correlation_data);
  if (properties->present & HF_PROPERTY_PAYLOAD_FORMAT) size += 1 + 1;
  if (properties->present & HF_PROPERTY_MESSAGE_EXPIRY) size += 1 + 4;
  for (size_t i = 0; i < properties->user_count; i++)
    size += 1 + 2 + properties->user[i].name.length + 2 + properties->user[i].value.length;
  return size;
}

hf_properties *hf_properties_copy_into(void *memory, const hf_properties *from) {
  hf_properties *to = memory;
  *to = *from;
  hf_user_property *user = (hf_user_property *)(to + 1);
  uint32_t *identifiers = (uint32_t *)(user + from->user_count);
  char *end = (char *)(identifiers + from->subscription_identifier_count);
  for (size_t i = 0; i < from->user_count; i++) {
    user[i].name = put_bytes(&end, from->user[i].name);
    user[i].value = put_bytes(&end, from->user[i].value);
  }
  if (from->subscription_identifier_count)
    memcpy(identifiers, from->subscription_identifiers, from->subscription_identifier_count * sizeof *identifiers);
  to->user = from->user_count ? user : NULL;
  to->subscription_identifiers = from->subscription_identifier_count ? identifiers : NULL;
  to->content_type = put_bytes(&end, from->content_type);
  to->response_topic = put_bytes(&end, from->response_topic);
  to->correlation_data = put_bytes(&end, from->correlation_data);
  to->reason_string = put_bytes(&end, from->reason_string);
  to->server_reference = put_bytes(&end, from->server_reference);
  return to;
}

hf_properties *hf_properties_copy(const hf_properties *from) {
  if (!from) return NULL;
  void *memory = malloc(sizeof *from + hf_properties_weight(from));
  return memory ? hf_properties_copy_into(memory, from) : NULL;
}
