#include "mqtt/inside.h"

#include <stdlib.h>
#include <string.h>

/* A packet's properties as an application sees them, borrowed from the packet; few need no memory of their own. */
enum { FEW = 8 };

typedef struct gathered {
  hf_properties properties;
  void *many; /* NULL: the few are enough */
  hf_user_property few_user[FEW];
  uint32_t few_identifiers[FEW];
} gathered;

/* What the reader has found sound, once more, for what may be there more than once. */
static void gather_repeated(hf_bytes block, hf_user_property *user, uint32_t *identifiers) {
  hf_cursor from = {(const uint8_t *)block.data, block.length};
  uint8_t identifier;
  hf_property property;
  while (hf_take_one(&from, &identifier) && hf_property_take(&from, identifier, &property)) {
    if (identifier == HF_PROPERTY_ID_USER_PROPERTY)
      *user++ = (hf_user_property){property.text, property.value};
    else if (identifier == HF_PROPERTY_ID_SUBSCRIPTION_IDENTIFIER)
      *identifiers++ = property.number;
  }
}

static bool has_more(const hf_packet_properties *from) {
  return from->content_type.data || from->response_topic.data || from->correlation_data.data ||
         from->reason_string.data || from->server_reference.data || from->has_payload_format ||
         from->has_message_expiry;
}

static bool has_any(const hf_packet_properties *from) {
  return from->user_count > 0 || from->subscription_identifier_count > 0 || has_more(from);
}

/* False when there are none, or memory is short. */
static bool gather(gathered *to, const hf_packet_properties *from) {
  to->many = NULL;
  if (!has_any(from)) return false;
  hf_user_property *user = to->few_user;
  uint32_t *identifiers = to->few_identifiers;
  size_t users = from->user_count, count = from->subscription_identifier_count;
  if (users > FEW || count > FEW) {
    user = to->many = malloc(users * sizeof *user + count * sizeof *identifiers);
    if (!user) return false;
    identifiers = (uint32_t *)(user + users);
  }
  if (users > 0 || count > 0) gather_repeated(from->block, user, identifiers);
  to->properties = (hf_properties){
      .content_type = from->content_type,
      .response_topic = from->response_topic,
      .correlation_data = from->correlation_data,
      .reason_string = from->reason_string,
      .server_reference = from->server_reference,
      .user = user,
      .user_count = users,
      .subscription_identifiers = identifiers,
      .subscription_identifier_count = count,
      .present = (from->has_payload_format ? HF_PROPERTY_PAYLOAD_FORMAT : 0u) |
                 (from->has_message_expiry ? HF_PROPERTY_MESSAGE_EXPIRY : 0u),
      .message_expiry = from->message_expiry,
      .payload_format = from->payload_format,
  };
  return true;
}

static hf_message *make(const hf_packet *packet, hf_bytes topic, const hf_properties *properties,
                        hf_message_block *block) {
  return block ? hf_message_block_add(block, topic, packet->payload, properties)
               : hf_message_new(topic, packet->payload, properties);
}

/* What most messages of MQTT 5 come with: the identifier of one subscription, and no more. */
static bool has_one_identifier(const hf_packet_properties *from) {
  return from->subscription_identifier_count == 1 && from->user_count == 0 && !has_more(from);
}

static hf_message *make_with_all(const hf_packet *packet, hf_bytes topic, hf_message_block *block) {
  gathered properties;
  if (!gather(&properties, &packet->properties)) return NULL;
  hf_message *message = make(packet, topic, &properties.properties, block);
  free(properties.many);
  return message;
}

hf_message *hf_packet_message_in(const hf_packet *packet, hf_bytes topic, hf_message_block *block) {
  const hf_packet_properties *properties = &packet->properties;
  bool bare = !has_any(properties) || has_one_identifier(properties);
  hf_message *message = bare ? make(packet, topic, NULL, block) : make_with_all(packet, topic, block);
  if (!message) return NULL;
  if (bare) message->identifier = properties->subscription_identifier;
  message->qos = packet->qos;
  message->retain = packet->retain;
  message->duplicate = packet->duplicate;
  return message;
}

hf_message *hf_packet_message(const hf_packet *packet, hf_bytes topic) {
  return hf_packet_message_in(packet, topic, NULL);
}

/* Every property takes more than one byte in the packet, and none gets more than two of them NUL. */
size_t hf_packet_message_size(const hf_packet *packet, hf_bytes topic) {
  const hf_packet_properties *properties = &packet->properties;
  size_t most = 2 * properties->block.length + properties->user_count * sizeof(hf_user_property) +
                properties->subscription_identifier_count * sizeof(uint32_t) + sizeof(hf_properties);
  return hf_message_size(topic, packet->payload, NULL) + most;
}

hf_properties *hf_packet_application_properties(const hf_packet *packet) {
  gathered properties;
  bool any = gather(&properties, &packet->properties);
  hf_properties *copy = any ? hf_properties_copy(&properties.properties) : NULL;
  free(properties.many);
  return copy;
}
