/* property_table.h: the properties of MQTT 5 (section 2.2.2.2), as an X-macro.
 *
 * HF_PROPERTY_TABLE(ROW, with) expands one line a property, in the order of
 * their identifiers: ROW(with, identifier, NAME, "Name", KIND). `with` is handed
 * through, for tables of tables. What a packet may have is said in
 * properties_read.c. Static data, no memory, any thread.
 */
#ifndef HF_MQTT_PROPERTY_TABLE_H
#define HF_MQTT_PROPERTY_TABLE_H

#include <stdint.h>

// clang-format off
#define HF_PROPERTY_TABLE(ROW, with)                                                                                   \
  ROW(with, 0x01, PAYLOAD_FORMAT, "Payload Format Indicator", BYTE)                                                    \
  ROW(with, 0x02, MESSAGE_EXPIRY, "Message Expiry Interval", FOUR)                                                     \
  ROW(with, 0x03, CONTENT_TYPE, "Content Type", TEXT)                                                                  \
  ROW(with, 0x08, RESPONSE_TOPIC, "Response Topic", TEXT)                                                              \
  ROW(with, 0x09, CORRELATION_DATA, "Correlation Data", BINARY)                                                        \
  ROW(with, 0x0B, SUBSCRIPTION_IDENTIFIER, "Subscription Identifier", VARIABLE)                                        \
  ROW(with, 0x11, SESSION_EXPIRY, "Session Expiry Interval", FOUR)                                                     \
  ROW(with, 0x12, ASSIGNED_CLIENT_ID, "Assigned Client Identifier", TEXT)                                              \
  ROW(with, 0x13, SERVER_KEEP_ALIVE, "Server Keep Alive", TWO)                                                         \
  ROW(with, 0x15, AUTHENTICATION_METHOD, "Authentication Method", TEXT)                                                \
  ROW(with, 0x16, AUTHENTICATION_DATA, "Authentication Data", BINARY)                                                  \
  ROW(with, 0x17, REQUEST_PROBLEM_INFORMATION, "Request Problem Information", BYTE)                                    \
  ROW(with, 0x18, WILL_DELAY, "Will Delay Interval", FOUR)                                                             \
  ROW(with, 0x19, REQUEST_RESPONSE_INFORMATION, "Request Response Information", BYTE)                                  \
  ROW(with, 0x1A, RESPONSE_INFORMATION, "Response Information", TEXT)                                                  \
  ROW(with, 0x1C, SERVER_REFERENCE, "Server Reference", TEXT)                                                          \
  ROW(with, 0x1F, REASON_STRING, "Reason String", TEXT)                                                                \
  ROW(with, 0x21, RECEIVE_MAXIMUM, "Receive Maximum", TWO)                                                             \
  ROW(with, 0x22, TOPIC_ALIAS_MAXIMUM, "Topic Alias Maximum", TWO)                                                     \
  ROW(with, 0x23, TOPIC_ALIAS, "Topic Alias", TWO)                                                                     \
  ROW(with, 0x24, MAXIMUM_QOS, "Maximum QoS", BYTE)                                                                    \
  ROW(with, 0x25, RETAIN_AVAILABLE, "Retain Available", BYTE)                                                          \
  ROW(with, 0x26, USER_PROPERTY, "User Property", PAIR)                                                                \
  ROW(with, 0x27, MAXIMUM_PACKET_SIZE, "Maximum Packet Size", FOUR)                                                    \
  ROW(with, 0x28, WILDCARD_AVAILABLE, "Wildcard Subscription Available", BYTE)                                         \
  ROW(with, 0x29, IDENTIFIERS_AVAILABLE, "Subscription Identifier Available", BYTE)                                    \
  ROW(with, 0x2A, SHARED_AVAILABLE, "Shared Subscription Available", BYTE)

#define HF_PROPERTY_IDENTIFIER(with, identifier, name, text, kind) HF_PROPERTY_ID_##name = identifier,
typedef enum hf_property_id {
  HF_PROPERTY_TABLE(HF_PROPERTY_IDENTIFIER, )
  HF_PROPERTY_IDS /* past the last */
} hf_property_id;
#undef HF_PROPERTY_IDENTIFIER
// clang-format on

typedef enum hf_property_kind {
  HF_KIND_NONE, /* nobody has assigned the identifier */
  HF_KIND_BYTE,
  HF_KIND_TWO,
  HF_KIND_FOUR,
  HF_KIND_VARIABLE,
  HF_KIND_BINARY,
  HF_KIND_TEXT,
  HF_KIND_PAIR
} hf_property_kind;

#endif
