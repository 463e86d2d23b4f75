#include "link/paho_link.h"

#include <stdlib.h>
#include <string.h>

bool hf_paho_properties_number(MQTTProperties *to, enum MQTTPropertyCodes code, uint32_t value) {
  MQTTProperty property = {.identifier = code};
  switch (MQTTProperty_getType(code)) {
  case MQTTPROPERTY_TYPE_BYTE:
    property.value.byte = (unsigned char)value;
    break;
  case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
    property.value.integer2 = (unsigned short)value;
    break;
  default:
    property.value.integer4 = value > HF_PAHO_MOST_NUMBER ? HF_PAHO_MOST_NUMBER : value;
  }
  return MQTTProperties_add(to, &property) == 0;
}

static MQTTLenString borrow(hf_bytes bytes) {
  return (MQTTLenString){.len = (int)bytes.length, .data = (char *)(uintptr_t)bytes.data};
}

static bool add_bytes(MQTTProperties *to, enum MQTTPropertyCodes code, hf_bytes bytes) {
  if (!bytes.data) return true;
  MQTTProperty property = {.identifier = code};
  property.value.data = borrow(bytes);
  return MQTTProperties_add(to, &property) == 0;
}

bool hf_paho_properties_user(MQTTProperties *to, const hf_properties *from) {
  bool added = true;
  for (size_t i = 0; from && i < from->user_count; i++) {
    MQTTProperty property = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
    property.value.data = borrow(from->user[i].name);
    property.value.value = borrow(from->user[i].value);
    added = MQTTProperties_add(to, &property) == 0 && added;
  }
  return added;
}

bool hf_paho_properties_message(MQTTProperties *to, const hf_properties *from) {
  if (!from) return true;
  bool added = add_bytes(to, MQTTPROPERTY_CODE_CONTENT_TYPE, from->content_type) &&
               add_bytes(to, MQTTPROPERTY_CODE_RESPONSE_TOPIC, from->response_topic) &&
               add_bytes(to, MQTTPROPERTY_CODE_CORRELATION_DATA, from->correlation_data) &&
               hf_paho_properties_user(to, from);
  if (from->present & HF_PROPERTY_PAYLOAD_FORMAT)
    added = hf_paho_properties_number(to, MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR, from->payload_format) && added;
  if (from->present & HF_PROPERTY_MESSAGE_EXPIRY)
    added = hf_paho_properties_number(to, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, from->message_expiry) && added;
  return added;
}

static hf_bytes lend(MQTTLenString string) {
  static const char empty[1];
  return (hf_bytes){string.data ? string.data : empty, (size_t)string.len};
}

static bool read_one(hf_paho_reading *reading, hf_user_property *user, uint32_t *identifiers,
                     const MQTTProperty *from) {
  hf_properties *to = &reading->properties;
  switch (from->identifier) {
  case MQTTPROPERTY_CODE_CONTENT_TYPE:
    to->content_type = lend(from->value.data);
    return true;
  case MQTTPROPERTY_CODE_RESPONSE_TOPIC:
    to->response_topic = lend(from->value.data);
    return true;
  case MQTTPROPERTY_CODE_CORRELATION_DATA:
    to->correlation_data = lend(from->value.data);
    return true;
  case MQTTPROPERTY_CODE_REASON_STRING:
    to->reason_string = lend(from->value.data);
    return true;
  case MQTTPROPERTY_CODE_SERVER_REFERENCE:
    to->server_reference = lend(from->value.data);
    return true;
  case MQTTPROPERTY_CODE_USER_PROPERTY:
    user[to->user_count++] = (hf_user_property){lend(from->value.data), lend(from->value.value)};
    return true;
  case MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER:
    identifiers[to->subscription_identifier_count++] = from->value.integer4;
    return true;
  case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
    to->present |= HF_PROPERTY_PAYLOAD_FORMAT;
    to->payload_format = from->value.byte;
    return true;
  case MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL:
    to->present |= HF_PROPERTY_MESSAGE_EXPIRY;
    to->message_expiry = from->value.integer4;
    return true;
  default:
    return false;
  }
}

const hf_properties *hf_paho_properties_read(hf_paho_reading *reading, const MQTTProperties *from) {
  reading->many = NULL;
  reading->starved = false;
  if (from->count == 0) return NULL;
  memset(&reading->properties, 0, sizeof reading->properties);
  hf_user_property *user = reading->few_user;
  uint32_t *identifiers = reading->few_identifiers;
  if (from->count > 8) {
    size_t count = (size_t)from->count;
    user = reading->many = malloc(count * (sizeof *user + sizeof *identifiers));
    if (!user) {
      reading->starved = true;
      return NULL;
    }
    identifiers = (uint32_t *)(user + count);
  }
  bool any = false;
  for (int i = 0; i < from->count; i++)
    any = read_one(reading, user, identifiers, &from->array[i]) || any;
  reading->properties.user = user;
  reading->properties.subscription_identifiers = identifiers;
  return any ? &reading->properties : NULL;
}

void hf_paho_reading_free(hf_paho_reading *reading) {
  free(reading->many);
}
