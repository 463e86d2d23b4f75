#include <stdio.h>

#include "link/native_link.h"

/* A line a packet, for who asks: which client, which way, what, and what a reader of the log needs to follow an
 * exchange; no topics, payloads or secrets. */

static hf_trace_line_function *listener;

void hf_native_trace(hf_trace_level level, hf_trace_line_function *line) {
  listener = level >= HF_TRACE_PROTOCOL ? line : NULL;
}

static const char *const names[] = {"?",       "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
                                    "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
                                    "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};

static void say(const hf_link *link, const char *way, hf_packet_type type, const char *more) {
  char text[160];
  snprintf(text, sizeof text, "%s %s %s%s", link->client_id, way, names[type], more);
  listener(HF_TRACE_PROTOCOL, text);
}

void hf_native_trace_sent(const hf_link *link, hf_packet_type type, uint16_t packet_id, unsigned number) {
  char more[48] = "";
  if (!listener) return;
  if (type == HF_PACKET_CONNECT)
    snprintf(more, sizeof more, " version %u", number);
  else if (type == HF_PACKET_DISCONNECT)
    snprintf(more, sizeof more, " rc: %u", number);
  else if (type == HF_PACKET_PUBLISH)
    snprintf(more, sizeof more, " msgid: %u qos: %u", (unsigned)packet_id, number);
  else if (packet_id)
    snprintf(more, sizeof more, " msgid: %u", (unsigned)packet_id);
  say(link, "->", type, more);
}

void hf_native_trace_read(const hf_link *link, const hf_packet *packet) {
  char more[48] = "";
  if (!listener) return;
  if (packet->type == HF_PACKET_CONNACK || packet->type == HF_PACKET_DISCONNECT)
    snprintf(more, sizeof more, " rc: %u", (unsigned)packet->code);
  else if (packet->type == HF_PACKET_PUBLISH)
    snprintf(more, sizeof more, " msgid: %u qos: %u", packet->qos ? (unsigned)packet->packet_id : 0u,
             (unsigned)packet->qos);
  else if (packet->type != HF_PACKET_PINGRESP && packet->type != HF_PACKET_AUTH)
    snprintf(more, sizeof more, " msgid: %u", (unsigned)packet->packet_id);
  say(link, "<-", packet->type, more);
}
