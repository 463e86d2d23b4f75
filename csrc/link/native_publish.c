#include <string.h>

#include "link/native_link.h"

enum {
  UNSENT_MOST = 64 * 1024, /* bytes that wait for the stream before no more is taken: a PINGREQ has to get through */
  ALIAS_MOST = 3 + 2,      /* bytes by which an alias makes a packet longer, lengths that need one more included */
  COPY_MOST = 16 * 1024,   /* a longer payload is borrowed from its publish */
  ID_IN_USE = 0x91,
  ID_NOT_FOUND = 0x92,
  REFUSED = 0x80, /* from here on */
};

void hf_native_outcome(hf_link *link, hf_publish *publish, int result) {
  publish->result = result;
  hf_native_tell(link, &publish->mail, HF_LINK_DELIVERED);
}

static bool put(hf_link *link, hf_publish *publish, uint16_t packet_id, bool duplicate) {
  bool known = false;
  if (!link->aliases_out && link->aliases_most) link->aliases_out = hf_aliases_out_new(link->aliases_most);
  uint16_t alias = link->aliases_out ? hf_aliases_choose(link->aliases_out, publish->topic, &known) : 0;
  hf_bytes payload = publish->payload;
  bool copied = payload.length <= COPY_MOST;
  size_t most = hf_publish_packet_size(publish) + ALIAS_MOST - (copied ? 0 : payload.length);
  uint8_t *at = hf_out_reserve(&link->out, most);
  if (at) {
    size_t head = hf_write_publish_head(at, publish, link->protocol, packet_id, duplicate, alias, known);
    if (copied && payload.length) memcpy(at + head, payload.data, payload.length);
    hf_out_commit(&link->out, head + (copied ? payload.length : 0));
  }
  bool whole = at && (copied || hf_out_borrow(&link->out, payload));
  /* What the broker will think it knows, or has half of, cannot be taken back. */
  if (!whole && (at || alias)) link->starved = true;
  hf_native_flush_soon(link);
  hf_native_trace_sent(link, HF_PACKET_PUBLISH, packet_id, publish->qos);
  publish->offset = link->out.appended;
  return whole;
}

/* The id that the session knows it by; 0: it is new to it. */
static uint16_t carried_id(const hf_link *link, const hf_publish *publish) {
  if (!publish->carried || !publish->packet_id) return 0;
  const uint64_t *word = hf_ids_find(&link->ids, publish->packet_id);
  return word && *word == publish->id * HF_NATIVE_WORDS + HF_NATIVE_CARRIED ? publish->packet_id : 0;
}

static bool acknowledged_publish(hf_link *link, hf_publish *publish) {
  uint16_t known = carried_id(link, publish);
  uint16_t id = known ? known : hf_ids_next(&link->ids, HF_IDS_FOR_REQUESTS);
  if (id == 0 || !hf_ids_put(&link->ids, id, (uint64_t)(uintptr_t)publish)) return false;
  if (!put(link, publish, id, known != 0)) {
    if (known)
      hf_ids_put(&link->ids, id, publish->id * HF_NATIVE_WORDS + HF_NATIVE_CARRIED);
    else
      hf_ids_remove(&link->ids, id);
    return false;
  }
  publish->packet_id = id;
  publish->carried = publish->released = false;
  if (link->store && !known) hf_store_sent(link->store, id, publish->id);
  hf_line_append(&link->flight, publish);
  link->in_flight++;
  return true;
}

bool hf_native_publish(hf_link *link, hf_publish *publish) {
  if (link->state != HF_NATIVE_UP || link->starved) return false;
  if (link->out.appended - link->out.written >= UNSENT_MOST) return false;
  if (publish->qos > 0 && link->renew_at != HF_NATIVE_NEVER) return false;
  if (publish->qos > 0) return link->in_flight < HF_NATIVE_WINDOW && acknowledged_publish(link, publish);
  if (!put(link, publish, 0, false)) return false;
  hf_line_append(&link->written, publish);
  return true;
}

void hf_native_written(hf_link *link) {
  hf_publish *publish;
  while ((publish = link->written.first) && publish->offset <= link->out.written) {
    hf_line_remove(&link->written, publish);
    hf_native_outcome(link, publish, HF_LINK_RESULT_OK);
  }
}

/* ---- answers ---- */

static void leave_flight(hf_link *link, hf_publish *publish) {
  hf_line_remove(&link->flight, publish);
  link->in_flight--;
}

static void over(hf_link *link, hf_publish *publish, int code) {
  leave_flight(link, publish);
  if (publish->released) {
    link->releases_again = false;
    link->releases_unanswered = 0;
  }
  if (code == ID_IN_USE) { /* no refusal: it goes again, under another id */
    hf_ids_put(&link->ids, publish->packet_id, HF_NATIVE_BURNT);
    publish->packet_id = 0;
    hf_native_outcome(link, publish, HF_LINK_RESULT_LOST);
  } else {
    hf_ids_remove(&link->ids, publish->packet_id);
    publish->packet_id = 0;
    hf_native_outcome(link, publish, code >= REFUSED ? code : HF_LINK_RESULT_OK);
  }
  hf_native_renew(link, true);
}

static void release(hf_link *link, hf_publish *publish) {
  if (!publish->released && link->store) hf_store_released(link->store, publish->packet_id);
  publish->released = true;
  hf_native_write_ack(link, HF_PACKET_PUBREL, publish->packet_id, 0);
}

/* The peer does what no broker may, over a publish of ours. */
static const char *wrong(const hf_link *link, const hf_publish *publish, hf_packet_type type) {
  if (publish->offset > link->out.written) return "an answer to a PUBLISH that has not gone out";
  if (publish->qos == 2 && type == HF_PACKET_PUBACK) return "PUBACK for a PUBLISH of QoS 2";
  if (publish->qos == 1 && type != HF_PACKET_PUBACK) return "PUBREC or PUBCOMP for a PUBLISH of QoS 1";
  if (type == HF_PACKET_PUBCOMP && !publish->released) return "PUBCOMP before PUBREC";
  return NULL;
}

static hf_publish *in_flight(const hf_link *link, uint16_t packet_id) {
  const uint64_t *word = hf_ids_find(&link->ids, packet_id);
  return word && *word % HF_NATIVE_WORDS == HF_NATIVE_FLIGHT ? (hf_publish *)(uintptr_t)*word : NULL;
}

void hf_native_answered(hf_link *link, const hf_packet *packet) {
  hf_publish *publish = in_flight(link, packet->packet_id);
  if (!publish) { /* one that is known but not in flight will be sent again; PUBREL now would make it two messages */
    bool unknown = !hf_ids_find(&link->ids, packet->packet_id);
    if (unknown && packet->type == HF_PACKET_PUBREC && packet->code < REFUSED)
      hf_native_answer_unknown(link, HF_PACKET_PUBREL, packet->packet_id);
    return;
  }
  const char *problem = wrong(link, publish, packet->type);
  link->blames = problem != NULL;
  if (problem)
    hf_native_violated(link, 0x82, problem);
  else if (packet->type == HF_PACKET_PUBREC && packet->code < REFUSED)
    release(link, publish);
  else /* what has had its PUBREC is there, whatever else is said: PUBCOMP with 0x92 has had the PUBREL before */
    over(link, publish, publish->released ? 0 : packet->code);
}

/* Answers that nobody counts on, to a peer that does not read them: these have an end. */
void hf_native_answer_unknown(hf_link *link, hf_packet_type type, uint16_t packet_id) {
  enum { MOST = 1024 };
  if (link->out.written >= link->unknown_from) {
    link->unknown_from = link->out.appended + 1;
    link->unknown = 0;
  }
  hf_native_write_ack(link, type, packet_id, ID_NOT_FOUND);
  if (++link->unknown > MOST) hf_native_violated(link, 0x82, "more than 1,024 answers to unknown packet ids");
}

/* ---- the session ---- */

void hf_native_give_back(hf_link *link, bool everything) {
  bool kept = link->session_expiry > 0 && !everything;
  hf_publish *publish, *next;
  for (publish = link->written.first; publish; publish = next) {
    next = publish->next;
    hf_line_remove(&link->written, publish);
    hf_native_outcome(link, publish, HF_LINK_RESULT_LOST);
  }
  for (publish = link->flight.first; publish; publish = next) {
    next = publish->next;
    if (publish->released && kept) continue;
    leave_flight(link, publish);
    if (publish->released) {
      hf_native_outcome(link, publish, HF_LINK_RESULT_OK);
      continue;
    }
    publish->carried = kept;
    if (kept)
      hf_ids_put(&link->ids, publish->packet_id, publish->id * HF_NATIVE_WORDS + HF_NATIVE_CARRIED);
    else if (!everything)
      publish->packet_id = 0;
    hf_native_outcome(link, publish, HF_LINK_RESULT_LOST);
  }
  if (!kept) hf_ids_clear(&link->ids);
}

void hf_native_session_gone(hf_link *link) {
  hf_publish *publish, *next;
  for (publish = link->flight.first; publish; publish = next) {
    next = publish->next;
    leave_flight(link, publish);
    hf_native_outcome(link, publish, publish->released ? HF_LINK_RESULT_OK : HF_LINK_RESULT_LOST);
  }
  hf_ids_clear(&link->ids);
  hf_inbox_forget_session(&link->inbox);
  if (link->store) hf_store_begin_session(link->store, link->protocol);
}

/* A broker may close over a PUBREL that is repeated. It is sent at once first, for it is owed [MQTT-4.4.0-1], and then
 * ever later, so that the connection is of use for other things. */
void hf_native_resumed(hf_link *link) {
  enum { AT_ONCE = 3, LATER = 500, LATEST = 7 };
  uint32_t over = link->releases_unanswered;
  link->release_at = HF_NATIVE_NEVER;
  for (hf_publish *publish = link->flight.first; publish; publish = publish->next)
    publish->offset = 0;
  if (!link->flight.first) return;
  int64_t wait = over < AT_ONCE ? 0 : LATER << (over - AT_ONCE < LATEST ? over - AT_ONCE : LATEST);
  link->release_at = hf_native_loop->now + wait;
  hf_native_release_again(link);
}

void hf_native_release_again(hf_link *link) {
  if (link->state == HF_NATIVE_UP && link->release_at <= hf_native_loop->now) {
    link->release_at = HF_NATIVE_NEVER;
    for (hf_publish *publish = link->flight.first; publish; publish = publish->next) {
      if (!publish->released || publish->offset > 0) continue;
      link->releases_again = true;
      hf_native_write_ack(link, HF_PACKET_PUBREL, publish->packet_id, 0);
    }
  }
  hf_native_schedule(link);
}

/* What cannot be kept for want of memory is sent anew. */
void hf_native_resume(hf_link *link, hf_store *store, const char *client_id, hf_publish *publishes) {
  (void)client_id;
  link->store = store;
  bool known = hf_store_protocol(store) != 0;
  if (known) hf_native_restore(link);
  while (publishes) {
    hf_publish *publish = publishes;
    publishes = (hf_publish *)publish->mail.next;
    bool released = known && publish->released;
    uint64_t word = released ? (uint64_t)(uintptr_t)publish : publish->id * HF_NATIVE_WORDS + HF_NATIVE_CARRIED;
    publish->carried = known && hf_ids_put(&link->ids, publish->packet_id, word);
    if (publish->carried && released) {
      hf_line_append(&link->flight, publish);
      link->in_flight++;
    } else {
      hf_native_outcome(link, publish, HF_LINK_RESULT_LOST);
    }
  }
}
