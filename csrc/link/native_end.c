#include <stdlib.h>
#include <string.h>

#include "core/topic.h"
#include "link/native_link.h"

enum { FAREWELL = 500 }; /* ms for the peer to read why it was left */

char *hf_native_text(hf_bytes text) {
  if (!text.length) return NULL;
  char *copy = strndup(text.data, text.length);
  if (copy) hf_utf8_to_line(copy);
  return copy;
}

void hf_native_let_go(hf_link *link) {
  if (link->stream) link->stream->operations->abort(link->stream);
  link->stream = NULL;
  hf_loop_stop(hf_native_loop, &link->timer);
  hf_loop_cancel(hf_native_loop, &link->flush);
  hf_loop_cancel(hf_native_loop, &link->again);
  hf_native_drop_partial(link);
  hf_native_forget_connect(link);
  hf_native_auth_over(link);
  hf_out_clear(&link->out);
  hf_aliases_in_clear(&link->aliases_in);
  hf_aliases_out_free(link->aliases_out);
  link->aliases_out = NULL;
  link->aliases_most = 0;
  hf_native_request_ended(link);
  if (link->releases_again && link->state == HF_NATIVE_UP) link->releases_unanswered++;
  link->releases_again = false;
  link->release_at = HF_NATIVE_NEVER;
  link->state = HF_NATIVE_IDLE;
  link->starved = false;
  link->unknown = link->pings = link->settling = 0;
  link->unknown_from = 0;
  link->stuck_at = HF_NATIVE_NEVER;
  link->blames = link->acknowledges = false;
}

hf_stream_rival hf_native_rival(const hf_link *link) {
  hf_stream_path path = {0};
  if (link->stream) hf_stream_find_path(link->stream, &path);
  return path.rival;
}

void hf_native_end(hf_link *link, hf_native_ending ending) {
  hf_link_down *farewell = link->farewell;
  link->farewell = NULL;
  if (link->state == HF_NATIVE_LEAVING) { /* as good as left */
    ending.kind = HF_LINK_CLOSED;
    ending.source = HF_SOURCE_CLIENT;
    ending.code = HF_CLIENT_CLOSED;
  }
  *farewell = (hf_link_down){.reason = hf_reason_find(ending.source, ending.code),
                             .code = ending.code,
                             .phase = ending.phase,
                             .about_publish = ending.about_publish,
                             .text = ending.text ? strdup(ending.text) : NULL,
                             .server_reference = hf_native_text(ending.server_reference),
                             .retry_after = ending.retry_after,
                             .rival = hf_native_rival(link)};
  hf_native_let_go(link);
  hf_native_tell(link, &farewell->mail, ending.kind);
  hf_native_give_back(link, false);
}

static int code_of(uint8_t code) {
  switch (code) {
  case 0x81:
    return HF_CLIENT_MALFORMED_PACKET;
  case 0x95:
    return HF_CLIENT_PACKET_TOO_LARGE;
  default:
    return HF_CLIENT_PROTOCOL_ERROR;
  }
}

/* Also before CONNACK: a client need not wait for it with anything (MQTT 5 section 3.1.4). */
void hf_native_say_why(hf_link *link, uint8_t code, const char *text) {
  bool can = link->state == HF_NATIVE_GREETING || link->state == HF_NATIVE_UP;
  if (!can || link->protocol < 5 || link->starved) return;
  hf_native_write_disconnect(link, code, -1, text);
  hf_out_flush(&link->out, link->stream);
  hf_stream *stream = link->stream;
  link->stream = NULL;
  stream->operations->finish(stream, FAREWELL, NULL);
}

void hf_native_violated(hf_link *link, uint8_t code, const char *text) {
  hf_native_say_why(link, code, text);
  bool known = link->state >= HF_NATIVE_UP;
  hf_native_end(link, (hf_native_ending){.kind = known ? HF_LINK_DOWN : HF_LINK_FAILED,
                                         .source = HF_SOURCE_CLIENT,
                                         .code = code_of(code),
                                         .phase = known ? HF_PHASE_UP : HF_PHASE_CONNACK,
                                         .text = text,
                                         .about_publish = link->blames});
}

void hf_native_stream_ended(hf_link *link) {
  hf_stream_end end;
  link->stream->operations->end(link->stream, &end);
  hf_phase phase = link->stream->operations->phase(link->stream);
  hf_native_ending ending = {.kind = HF_LINK_FAILED, .phase = phase, .text = end.text[0] ? end.text : NULL};
  if (end.reason) {
    ending.source = (hf_source)end.reason->source;
    ending.code = end.code ? end.code : end.reason->code;
    ending.retry_after = end.retry_after;
    ending.server_reference = (hf_bytes){end.location, strlen(end.location)};
  } else {
    ending.source = HF_SOURCE_NETWORK;
    ending.code = HF_NETWORK_CONNECT_FAILED;
  }
  bool network = ending.source == HF_SOURCE_NETWORK, by_tls = ending.source == HF_SOURCE_TLS;
  if (by_tls && phase == HF_PHASE_WEBSOCKET)
    ending.phase = HF_PHASE_TLS; /* TLS 1.3 refuses a client once it is through */
  if (link->state == HF_NATIVE_GREETING && network) {
    if (end.reason && !ending.text) ending.text = end.reason->text;
    ending.code = HF_NETWORK_CLOSED_BEFORE_CONNACK;
    ending.phase = HF_PHASE_CONNACK;
  } else if (link->state >= HF_NATIVE_UP) {
    if (!end.reason) ending.code = HF_NETWORK_CONNECTION_LOST;
    ending.kind = HF_LINK_DOWN;
    ending.phase = HF_PHASE_UP;
  }
  hf_native_end(link, ending);
}
