/* Packets from a broker, whatever the bytes: read whole and cut off, in work that is linear in them, and what has been
 * read written and read again. */
#include "core/topic.h"
#include "mqtt/inside.h"
#include "mqtt/write.h"

#include "bytes.h"
#include "work.h"

enum { WORK_A_BYTE = 20, WORK_A_PACKET = 200 };

static bool same(hf_bytes a, hf_bytes b) {
  return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static bool inside(hf_bytes part, hf_bytes whole) {
  return !part.data || (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

/* From a block of just this size: one byte too far is found out. */
static hf_read read_cut(const hf_packet_rules *rules, hf_bytes from, size_t length, hf_packet *packet,
                        hf_violation *violation) {
  char *exact = malloc(length ? length : 1);
  if (!exact) abort();
  if (length) memcpy(exact, from.data, length);
  hf_read read = hf_packet_read(rules, (hf_bytes){exact, length}, packet, violation);
  free(exact);
  return read;
}

/* A prefix says "more", or finds the violation that the whole has; once it has found that, so does each longer one. */
static void try_prefixes(const hf_packet_rules *rules, hf_bytes given, hf_read whole, size_t length,
                         const hf_violation *found) {
  bool violated = false;
  for (size_t cut = 0; cut < length; cut = cut < 8 || cut + 8 >= length ? cut + 1 : length - 4) {
    hf_packet packet;
    hf_violation violation;
    hf_read read = read_cut(rules, given, cut, &packet, &violation);
    promise(read != HF_READ_PACKET && (!violated || read == HF_READ_VIOLATION));
    if (read == HF_READ_MORE) {
      promise(packet.length == 0 || packet.length > cut);
      promise(whole != HF_READ_PACKET || packet.length == 0 || packet.length == length);
      continue;
    }
    violated = true;
    promise(whole == HF_READ_VIOLATION && violation.code == found->code && violation.text == found->text);
  }
}

static void check_message(const hf_packet *packet, const hf_message *message) {
  const hf_packet_properties *from = &packet->properties;
  promise(same(message->topic, packet->topic) && same(message->payload, packet->payload));
  promise(message->qos == packet->qos && message->retain == packet->retain && message->duplicate == packet->duplicate);
  if (!message->properties) {
    promise(from->user_count == 0 && !from->content_type.data);
    promise(from->subscription_identifier_count == (message->identifier ? 1 : 0));
    return;
  }
  promise(message->properties->user_count == from->user_count);
  promise(message->properties->subscription_identifier_count == from->subscription_identifier_count);
  promise(same(message->properties->content_type, from->content_type));
  for (size_t i = 0; i < from->subscription_identifier_count; i++)
    promise(message->properties->subscription_identifiers[i] > 0);
}

/* Written as we would send it, it is the same message. */
static void check_round(const hf_packet_rules *rules, const hf_packet *packet, const hf_message *message) {
  hf_publish publish = {.topic = message->topic,
                        .payload = message->payload,
                        .properties = rules->protocol == 5 ? message->properties : NULL,
                        .qos = packet->qos,
                        .retain = packet->retain};
  uint16_t alias = packet->properties.topic_alias;
  bool aliased = packet->topic.length == 0;
  size_t head =
      hf_write_publish_head(NULL, &publish, rules->protocol, packet->packet_id, packet->duplicate, alias, aliased);
  uint8_t *written = malloc(head + publish.payload.length);
  if (!written) abort();
  promise(hf_write_publish_head(written, &publish, rules->protocol, packet->packet_id, packet->duplicate, alias,
                                aliased) == head);
  if (publish.payload.length) memcpy(written + head, publish.payload.data, publish.payload.length);
  hf_packet again;
  hf_violation violation;
  hf_packet_rules unlimited = {.protocol = rules->protocol};
  hf_bytes given = {(char *)written, head + publish.payload.length};
  promise(hf_packet_read(&unlimited, given, &again, &violation) == HF_READ_PACKET);
  promise(again.length == given.length && again.packet_id == packet->packet_id && again.qos == packet->qos);
  promise(same(again.topic, packet->topic) && same(again.payload, packet->payload));
  promise(again.duplicate == packet->duplicate && again.retain == packet->retain);
  promise(again.properties.topic_alias == alias && again.properties.user_count == packet->properties.user_count);
  promise(same(again.properties.content_type, packet->properties.content_type));
  promise(same(again.properties.response_topic, packet->properties.response_topic));
  promise(same(again.properties.correlation_data, packet->properties.correlation_data));
  promise(again.properties.has_message_expiry == packet->properties.has_message_expiry);
  promise(again.properties.message_expiry == packet->properties.message_expiry);
  promise(again.properties.has_payload_format == packet->properties.has_payload_format);
  free(written);
}

static void check_publish(const hf_packet_rules *rules, const hf_packet *packet) {
  promise(!hf_utf8_malformed(packet->topic) && !hf_topic_has_wildcard(packet->topic));
  promise(packet->topic.length > 0 || packet->properties.has_topic_alias);
  promise((packet->packet_id > 0) == (packet->qos > 0) && packet->qos < 3);
  hf_message *message = hf_packet_message(packet, packet->topic);
  if (!message) abort();
  check_message(packet, message);
  check_round(rules, packet, message);
  hf_message_free(message);
}

static void check_packet(const hf_packet_rules *rules, hf_bytes given, const hf_packet *packet) {
  hf_bytes whole = {given.data, packet->length};
  promise(packet->length >= 2 && packet->length <= given.length);
  promise(inside(packet->topic, whole) && inside(packet->payload, whole) && inside(packet->codes, whole));
  promise(inside(packet->properties.block, whole) && inside(packet->properties.reason_string, whole));
  promise(inside(packet->properties.correlation_data, whole) && inside(packet->properties.server_reference, whole));
  promise(rules->protocol == 5 || !packet->properties.block.data || packet->type == HF_PACKET_CONNACK);
  if (packet->type == HF_PACKET_PUBLISH) check_publish(rules, packet);
  free(hf_packet_application_properties(packet));
}

/* What it answers, and how many bytes the packet took. */
static hf_read read_one(const hf_packet_rules *rules, hf_bytes given, size_t *taken) {
  hf_packet packet, again;
  hf_violation violation = {0}, twin = {0};
  memset(&packet, 0xA5, sizeof packet);
  uint64_t before = work_done;
  hf_read read = hf_packet_read(rules, given, &packet, &violation);
  size_t length = read == HF_READ_PACKET ? packet.length : given.length;
  promise(work_done - before <= WORK_A_BYTE * length + WORK_A_PACKET);
  promise(read_cut(rules, given, length, &again, &twin) == read);
  if (read == HF_READ_VIOLATION) {
    promise(violation.code == twin.code && violation.text == twin.text && strlen(violation.text) > 5);
    promise(violation.code == HF_MALFORMED || violation.code == HF_PROTOCOL_ERROR ||
            violation.code == HF_TOPIC_ALIAS_INVALID || violation.code == HF_PACKET_TOO_LARGE);
  } else if (read == HF_READ_PACKET) {
    check_packet(rules, given, &packet);
  }
  try_prefixes(rules, given, read, length, &violation);
  *taken = length;
  return read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size};
  uint8_t first = take_byte(&from);
  const hf_packet_rules rules = {.protocol = first & 1 ? 5 : 4, .maximum_packet_size = first & 2 ? first : 0};
  hf_bytes left = {(const char *)from.at, from.left};
  size_t taken;
  while (read_one(&rules, left, &taken) == HF_READ_PACKET)
    left = (hf_bytes){left.data + taken, left.length - taken};
  return 0;
}
