#include <stdlib.h>

#include "link/native_link.h"

static void note_received(hf_link *link, uint8_t qos, uint16_t packet_id) {
  if (qos == 2 && link->store) hf_store_received(link->store, packet_id, (hf_bytes){NULL, 0});
}

static void acknowledge(hf_link *link, uint8_t qos, uint16_t packet_id) {
  note_received(link, qos, packet_id);
  if (qos == 1) link->acknowledges = true;
  hf_native_write_ack(link, qos == 1 ? HF_PACKET_PUBACK : HF_PACKET_PUBREC, packet_id, 0);
}

static bool half_is_gone(const hf_link *link) {
  return link->inbox.bytes <= link->hold_bytes / 2 &&
         link->inbox.lines[0].count + link->inbox.lines[1].count <= link->renew_below;
}

/* A new connection is about to be asked for, or has been. */
static bool settles(const hf_link *link) {
  return link->renewing || link->renew_at != HF_NATIVE_NEVER;
}

/* Whether it may be that the broker still reads, or sends, what is before the PINGRESP. */
static bool moves(const hf_link *link) {
  enum { QUIET = 10000 }; /* ms */
  const hf_native_alive *alive = &link->alive;
  int64_t moved = alive->sent_at > alive->received_at ? alive->sent_at : alive->received_at;
  return hf_native_loop->now - moved < QUIET && hf_native_loop->now < link->renew_by;
}

/* Half of what waited has gone: what was let go unanswered is to come again. Once a connection; and since nothing is
 * let go before there is no room, a reader that takes nothing does not have it all sent over and over. What has no
 * answer when the connection ends is sent twice: a publish of ours at QoS 1, and a message of QoS 1 of which the broker
 * has not read that it is acknowledged. No more of either goes out. PINGRESP tells when all acknowledgements have been
 * read; publishes are waited for as long as one of them has been answered a moment ago. */
void hf_native_renew(hf_link *link, bool answered) {
  enum { MOMENT = 2000, LONGEST = 300000 }; /* ms */
  int64_t now = hf_native_loop->now;
  if (!link->forgetting || link->renewing || link->state != HF_NATIVE_UP) return;
  bool begins = !settles(link);
  if (begins) {
    if (!half_is_gone(link) || (link->acknowledges && !hf_native_write_pingreq(link))) return;
    link->settling = link->acknowledges ? link->pings : 0;
    link->renew_by = now + LONGEST;
  }
  bool is_due = !begins && (link->renew_at <= now || link->renew_by <= now);
  bool is_over = is_due ? !link->settling || !moves(link) : !link->settling && link->in_flight == 0;
  hf_mail *mail = is_over ? calloc(1, sizeof *mail) : NULL;
  if (mail) {
    link->renewing = true;
    hf_native_tell(link, mail, HF_LINK_RENEW);
  } else if (begins || is_due || answered) {
    link->renew_at = now + MOMENT;
    hf_native_schedule(link);
  }
}

static void pour(hf_link *link) {
  hf_message *message;
  while (link->allowed > 0 && (message = hf_inbox_tell(&link->inbox))) {
    link->allowed--;
    hf_native_tell(link, &message->mail, HF_LINK_MESSAGE);
  }
  hf_native_renew(link, false);
}

/* There is no room for it. A session has the broker keep it; without one nobody would send it again. */
static void turn_away(hf_link *link, uint8_t qos, uint16_t packet_id, uint32_t print) {
  if (link->session_expiry > 0) {
    link->forgetting = true;
    link->forgotten++;
    return;
  }
  link->dropped++;
  if (qos == 2 && !hf_inbox_released(&link->inbox, packet_id, print, link->connection)) return;
  acknowledge(link, qos, packet_id);
}

/* What comes in one read is made into messages in blocks; one that comes alone has a block to itself. */
static hf_message_block *block;

void hf_native_messages_over(void) {
  hf_message_block_close(block);
  block = NULL;
}

static hf_message *make(const hf_packet *packet, hf_bytes topic, size_t behind) {
  enum { PER_BYTE = 3, MOST = 32 * 1024 };
  hf_message *message = block ? hf_packet_message_in(packet, topic, block) : NULL;
  if (message) return message;
  if (behind == 0) return hf_packet_message(packet, topic);
  hf_native_messages_over();
  size_t more = behind * PER_BYTE < MOST ? behind * PER_BYTE : MOST;
  block = hf_message_block_new(hf_packet_message_size(packet, topic) + more);
  return block ? hf_packet_message_in(packet, topic, block) : NULL;
}

static void take_in(hf_link *link, const hf_packet *packet, hf_bytes topic, uint32_t print, size_t behind) {
  if (link->forgetting) {
    link->forgotten++;
    return;
  }
  bool room = link->inbox.bytes < link->hold_bytes;
  bool waits = link->allowed == 0 || link->inbox.waiting > 0; /* nobody knows how long: it must not keep others here */
  hf_message *message = NULL;
  if (room) message = waits ? hf_packet_message(packet, topic) : make(packet, topic, behind);
  if (!message || !hf_inbox_add(&link->inbox, message, packet->packet_id, print, link->connection)) {
    hf_message_free(message);
    if (room && link->session_expiry > 0) { /* nothing may be held whose leaving would make room */
      link->starved = true;
      return;
    }
    turn_away(link, packet->qos, packet->packet_id, print);
    return;
  }
  pour(link);
}

/* mosquitto 2.0.11 answers each PUBREC of a backlog with a whole window more; past 65,535 that are not answered it
 * gives out ids that it still waits for. The older one must be answered before the newer can be heard, or one of the
 * two would come once more for ever: this connection goes on without the newer, and without all that follow it. */
static void take_in_later(hf_link *link, const hf_packet *packet, hf_bytes topic, uint32_t print, size_t behind) {
  if (link->session_expiry == 0) { /* nothing comes again */
    hf_inbox_displace(&link->inbox, packet->qos, packet->packet_id);
    take_in(link, packet, topic, print, behind);
    return;
  }
  if (!link->forgetting) link->renew_below = (link->inbox.lines[0].count + link->inbox.lines[1].count) / 2;
  link->forgetting = true;
  link->forgotten++;
  pour(link);
}

/* The alias is learned whatever becomes of the message. False: the connection has ended over it. */
static bool find_topic(hf_link *link, const hf_packet *packet, hf_bytes *topic) {
  *topic = packet->topic;
  if (link->protocol < 5 || !packet->properties.has_topic_alias) return true;
  switch (hf_aliases_resolve(&link->aliases_in, packet->properties.topic_alias, topic)) {
  case HF_ALIAS_FINE:
    return true;
  case HF_ALIAS_UNKNOWN:
    hf_native_violated(link, 0x82, "PUBLISH with a topic alias that stands for nothing");
    return false;
  case HF_ALIAS_INVALID:
    hf_native_violated(link, 0x94, "PUBLISH with a topic alias above the maximum");
    return false;
  case HF_ALIAS_NO_MEMORY:
    link->starved = true;
    return false;
  }
  return false;
}

static void unheld(hf_link *link, const hf_packet *packet, hf_bytes topic, size_t behind) {
  hf_message *message = make(packet, topic, behind);
  if (message)
    hf_native_tell(link, &message->mail, HF_LINK_MESSAGE);
  else
    link->dropped++;
}

void hf_native_message(hf_link *link, const hf_packet *packet, size_t behind) {
  hf_bytes topic;
  if (!find_topic(link, packet, &topic)) return;
  if (packet->qos == 0) {
    unheld(link, packet, topic, behind);
    return;
  }
  if (settles(link)) { /* whatever it is, it comes again */
    link->forgotten++;
    return;
  }
  uint32_t print = hf_inbox_print(topic, packet->payload);
  switch (hf_inbox_look(&link->inbox, packet->qos, packet->packet_id, print, link->connection)) {
  case HF_INBOX_OTHER:
    if (packet->qos == 2 && link->store) hf_store_completed(link->store, packet->packet_id);
    take_in(link, packet, topic, print, behind);
    break;
  case HF_INBOX_NEW:
    take_in(link, packet, topic, print, behind);
    break;
  case HF_INBOX_TAKEN:
    take_in_later(link, packet, topic, print, behind);
    break;
  case HF_INBOX_HELD:
    break;
  case HF_INBOX_DONE:
    if (packet->qos == 2 && !hf_inbox_released(&link->inbox, packet->packet_id, print, link->connection))
      break; /* it will come again */
    acknowledge(link, packet->qos, packet->packet_id);
    break;
  case HF_INBOX_RELEASED:
    hf_native_write_ack(link, HF_PACKET_PUBREC, packet->packet_id, 0);
    break;
  }
}

void hf_native_released(hf_link *link, uint16_t packet_id) {
  if (!hf_inbox_complete(&link->inbox, packet_id)) {
    hf_native_answer_unknown(link, HF_PACKET_PUBCOMP, packet_id);
    return;
  }
  if (link->store) hf_store_completed(link->store, packet_id);
  hf_native_write_ack(link, HF_PACKET_PUBCOMP, packet_id, 0);
}

void hf_native_allow(hf_link *link, size_t messages) {
  link->allowed = messages;
  pour(link);
}

void hf_native_acknowledge(hf_link *link, uint8_t qos, uint64_t receipt) {
  uint32_t connection = link->state == HF_NATIVE_UP && !settles(link) ? link->connection : 0;
  hf_inbox_over over;
  while (hf_inbox_done(&link->inbox, qos, receipt, connection, &over)) {
    if (over.here)
      acknowledge(link, qos, over.id);
    else if (over.id)
      note_received(link, qos, over.id); /* this process may have ended when it comes again */
  }
}

static void restore(void *context, uint16_t packet_id, hf_bytes packet) {
  (void)packet;
  hf_link *link = context;
  hf_inbox_released(&link->inbox, packet_id, 0, 0); /* without memory for it, it may come twice */
}

void hf_native_restore(hf_link *link) {
  hf_store_read_received(link->store, restore, link);
}
