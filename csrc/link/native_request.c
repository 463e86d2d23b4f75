#include <stdlib.h>

#include "link/native_link.h"

/* A request's word: its ticket, whether it subscribes, and that it is a request. */
static uint64_t word_of(const hf_subscription_request *request) {
  return ((uint64_t)request->ticket * 2 + request->subscribe) * HF_NATIVE_WORDS + HF_NATIVE_REQUEST;
}

static bool ask(hf_link *link, const hf_subscription_request *request) {
  if (link->state != HF_NATIVE_UP || link->starved) return false;
  uint16_t id = hf_ids_next(&link->ids, 0);
  if (id == 0 || !hf_ids_put(&link->ids, id, word_of(request))) return false;
  size_t (*write)(uint8_t *, const hf_subscription_request *, uint8_t, uint16_t) =
      request->subscribe ? hf_write_subscribe : hf_write_unsubscribe;
  size_t length = write(NULL, request, link->protocol, id);
  uint8_t *at = hf_out_reserve(&link->out, length);
  if (!at) {
    hf_ids_remove(&link->ids, id);
    return false;
  }
  hf_out_commit(&link->out, write(at, request, link->protocol, id));
  hf_native_flush_soon(link);
  hf_native_trace_sent(link, request->subscribe ? HF_PACKET_SUBSCRIBE : HF_PACKET_UNSUBSCRIBE, id, 0);
  return true;
}

bool hf_native_subscribe(hf_link *link, const hf_subscription_request *request) {
  return ask(link, request);
}

bool hf_native_unsubscribe(hf_link *link, const hf_subscription_request *request) {
  return ask(link, request);
}

static void tell_answer(hf_link *link, bool subscribe, uint32_t ticket, int code, hf_bytes text) {
  hf_link_answer *answer = calloc(1, sizeof *answer);
  if (!answer) {
    link->starved = true;
    return;
  }
  answer->ticket = ticket;
  answer->code = code;
  answer->text = hf_native_text(text);
  hf_native_tell(link, &answer->mail, subscribe ? HF_LINK_SUBSCRIBED : HF_LINK_UNSUBSCRIBED);
}

void hf_native_request_answered(hf_link *link, const hf_packet *packet) {
  const uint64_t *word = hf_ids_find(&link->ids, packet->packet_id);
  bool subscribe = packet->type == HF_PACKET_SUBACK;
  if (!word || *word % HF_NATIVE_WORDS != HF_NATIVE_REQUEST) return; /* of nobody */
  uint64_t request = *word / HF_NATIVE_WORDS;
  if (subscribe != (request % 2 == 1)) {
    hf_native_violated(link, 0x82, subscribe ? "SUBACK for an UNSUBSCRIBE" : "UNSUBACK for a SUBSCRIBE");
    return;
  }
  if (packet->codes.length > 1) {
    hf_native_violated(link, 0x82, "an answer with more reason codes than filters were asked for");
    return;
  }
  hf_ids_remove(&link->ids, packet->packet_id);
  int code = packet->codes.length ? (unsigned char)packet->codes.data[0] : 0;
  tell_answer(link, subscribe, (uint32_t)(request / 2), code, packet->properties.reason_string);
}

void hf_native_request_ended(hf_link *link) {
  link->probing = false;
  for (uint32_t i = 0; i < link->ids.room;) {
    bool request = link->ids.keys[i] && link->ids.values[i] % HF_NATIVE_WORDS == HF_NATIVE_REQUEST;
    if (request)
      hf_ids_remove(&link->ids, link->ids.keys[i]); /* something else may stand here now */
    else
      i++;
  }
}

bool hf_native_probe(hf_link *link, uint32_t ticket) {
  if (link->state != HF_NATIVE_UP || link->starved || !hf_native_write_pingreq(link)) return false;
  if (link->stream->operations->moved) link->stream->operations->moved(link->stream);
  link->probing = true;
  link->probe = ticket;
  return true;
}

void hf_native_pinged(hf_link *link) {
  hf_native_alive_answered(link);
  if (link->pings > 0) link->pings--;
  if (link->settling > 0 && --link->settling == 0) hf_native_renew(link, true);
  if (!link->probing) return;
  link->probing = false;
  tell_answer(link, false, link->probe, 0, (hf_bytes){NULL, 0});
}
