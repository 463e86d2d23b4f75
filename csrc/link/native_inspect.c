#include <stdlib.h>

#include "link/native_link.h"

static void told(void *owner, hf_step *step) {
  hf_native_tell(owner, &step->mail, HF_LINK_STEP);
}

/* An attempt that begins has no stream, so nobody has it any more. */
bool hf_native_inspect(hf_link *link, bool inspect) {
  free(link->inspector);
  link->inspector = inspect ? malloc(sizeof *link->inspector) : NULL;
  if (link->inspector) *link->inspector = (hf_inspector){told, link};
  return link->inspector || !inspect;
}

static void put_text(hf_step *step, const char *name, hf_bytes text) {
  hf_step_bytes(step, HF_STEP_TEXT, name, text);
}

/* What is absent is so here, too, but where its absence has a meaning of its own (MQTT 5 section 3.2.2.3). */
static void put_properties(hf_step *step, const hf_packet_properties *properties) {
  hf_step_number(step, "receive_maximum", properties->receive_maximum);
  hf_step_number(step, "maximum_qos", properties->maximum_qos);
  hf_step_flag(step, "retain_available", properties->retain_available);
  hf_step_flag(step, "wildcard_available", properties->wildcard_available);
  hf_step_flag(step, "identifiers_available", properties->identifiers_available);
  hf_step_flag(step, "shared_available", properties->shared_available);
  hf_step_number(step, "topic_alias_maximum", properties->topic_alias_maximum);
  if (properties->maximum_packet_size) hf_step_number(step, "maximum_packet_size", properties->maximum_packet_size);
  if (properties->has_session_expiry) hf_step_number(step, "session_expiry", properties->session_expiry);
  if (properties->has_server_keep_alive) hf_step_number(step, "server_keep_alive", properties->server_keep_alive);
  put_text(step, "assigned_client_id", properties->assigned_client_id);
  put_text(step, "response_information", properties->response_information);
  put_text(step, "server_reference", properties->server_reference);
  put_text(step, "reason_string", properties->reason_string);
  put_text(step, "authentication_method", properties->authentication_method);
}

static void put_user(hf_step *step, const hf_packet *packet) {
  hf_properties *seen = hf_packet_application_properties(packet);
  for (size_t i = 0; seen && i < seen->user_count; i++) {
    hf_step_bytes(step, HF_STEP_PAIR, "user", seen->user[i].name);
    hf_step_bytes(step, HF_STEP_TEXT, "", seen->user[i].value);
  }
  free(seen);
}

void hf_native_inspect_connack(hf_link *link, const hf_packet *packet) {
  if (!link->inspector) return;
  hf_step *step = hf_step_new(HF_STEP_CONNACK, HF_STEP_MOST);
  hf_step_number(step, "protocol", link->protocol);
  hf_step_number(step, "code", packet->code);
  hf_step_flag(step, "session_present", packet->session_present);
  if (link->protocol == 5) put_properties(step, &packet->properties);
  if (link->protocol == 5) put_user(step, packet);
  hf_inspect(link->inspector, step);
}
