/* inside.h: what the files of the reader say to each other. For csrc/mqtt only.
 *
 * All of it borrows the caller's bytes, packet and violation. Pure: any thread.
 */
#ifndef HF_MQTT_INSIDE_H
#define HF_MQTT_INSIDE_H

#include "mqtt/cursor.h"
#include "mqtt/packet.h"
#include "mqtt/property_table.h"

enum { HF_MALFORMED = 0x81, HF_PROTOCOL_ERROR = 0x82, HF_TOPIC_ALIAS_INVALID = 0x94, HF_PACKET_TOO_LARGE = 0x95 };

/* Fills it in and answers false, so that a reader can end with it. */
static inline bool hf_violate(hf_violation *violation, uint8_t code, const char *text) {
  *violation = (hf_violation){code, text};
  return false;
}

/* The variable header and payload of a packet that is there whole; its type and the flags of a PUBLISH are known. */
bool hf_packet_read_body(const hf_packet_rules *rules, hf_cursor *from, hf_packet *packet, hf_violation *violation);

/* The length of the properties and then they, of a packet of this type. */
bool hf_packet_read_properties(hf_packet_type type, hf_cursor *from, hf_packet_properties *properties,
                               hf_violation *violation);

typedef struct hf_property {
  uint32_t identifier;
  uint32_t number; /* of the kinds that are numbers */
  hf_bytes text;   /* of the others; of a pair its name */
  hf_bytes value;  /* of a pair */
} hf_property;

/* The value of `identifier`, which has been assigned, and nothing but its form looked at. */
bool hf_property_take(hf_cursor *from, uint32_t identifier, hf_property *property);

/* ---- what is said of a violation; `type` one that a broker may send ---- */

typedef enum hf_property_problem {
  HF_PROPERTY_MALFORMED,
  HF_PROPERTY_TWICE,
  HF_PROPERTY_OUT_OF_RANGE
} hf_property_problem;

/* Of a property that the packet may have. */
const char *hf_text_of_property(hf_packet_type type, uint32_t identifier, hf_property_problem problem);

/* Of one that it may not have, or nobody has. */
const char *hf_text_of_misplaced(hf_packet_type type, uint32_t identifier);

typedef enum hf_packet_problem {
  HF_PACKET_CUT_SHORT,
  HF_PACKET_TOO_LONG,
  HF_PACKET_BAD_FLAGS,
  HF_PACKET_BAD_LENGTH,
  HF_PACKET_OVERSIZE,
  HF_PACKET_BAD_PROPERTIES,
  HF_PACKET_ID_ZERO,
  HF_PACKET_BAD_CODE,
  HF_PACKET_PROBLEMS
} hf_packet_problem;

const char *hf_text_of_packet(hf_packet_type type, hf_packet_problem problem);

#endif
