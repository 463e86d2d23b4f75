#include "link/paho_link.h"

#include <stdlib.h>

/* A publish is in a slot from MQTTAsync_sendMessage until its outcome, which is PUBACK, PUBCOMP or (QoS 0) the write.
 * A failure that Paho reports with a code of its own is no outcome: the connection is about to end, and what becomes
 * of the publish depends on whether its packet id is in the store by then. */

enum { TOPIC_NAME_INVALID = 0x90, REFUSED = 0x80 };

static void add_slots(hf_paho_attempt *attempt, hf_paho_slot *slots, size_t count) {
  for (size_t i = count; i-- > 0;) {
    slots[i].attempt = attempt;
    slots[i].next = attempt->free_slots;
    attempt->free_slots = &slots[i];
  }
}

void hf_paho_slots_init(hf_paho_attempt *attempt) {
  attempt->queue_end = &attempt->queue;
  add_slots(attempt, attempt->few, HF_PAHO_FEW);
}

void hf_paho_slots_free(hf_paho_attempt *attempt) {
  free(attempt->more);
}

static size_t slot_count(const hf_paho_attempt *attempt) {
  return attempt->more ? HF_PAHO_WINDOW : HF_PAHO_FEW;
}

static hf_paho_slot *slot_at(hf_paho_attempt *attempt, size_t at) {
  return at < HF_PAHO_FEW ? &attempt->few[at] : &attempt->more[at - HF_PAHO_FEW];
}

/* Lock held. Without memory for more the window is as large as the few are. */
static hf_paho_slot *free_slot(hf_paho_attempt *attempt) {
  if (!attempt->free_slots && !attempt->more) {
    attempt->more = calloc(HF_PAHO_WINDOW - HF_PAHO_FEW, sizeof *attempt->more);
    if (attempt->more) add_slots(attempt, attempt->more, HF_PAHO_WINDOW - HF_PAHO_FEW);
  }
  return attempt->free_slots;
}

void hf_paho_weigh(hf_paho_attempt *attempt, size_t more, size_t less) {
  attempt->outstanding += more;
  attempt->outstanding -= less;
  bool some = attempt->outstanding >= HF_PAHO_SOME && attempt->state == HF_PAHO_UP;
  bool large = attempt->outstanding >= HF_PAHO_LARGE && attempt->state == HF_PAHO_UP;
  if (some != attempt->some) hf_paho_waker_partial(some);
  if (large && !attempt->large) hf_paho_waker_write();
  if (!large && attempt->large) hf_paho_waker_written();
  attempt->some = some;
  attempt->large = large;
}

static void tell(hf_paho_attempt *attempt, hf_publish *publish, int32_t result) {
  hf_link_sink *sink = &attempt->link->sink;
  publish->mail = (hf_mail){.owner = sink->owner, .generation = attempt->generation, .kind = HF_LINK_DELIVERED};
  publish->result = result;
  sink->deliver(sink->context, &publish->mail);
}

/* Lock held. NULL when there was nothing in it any more. */
static hf_publish *take(hf_paho_slot *slot) {
  hf_paho_attempt *attempt = slot->attempt;
  hf_publish *publish = slot->publish;
  if (!publish) return NULL;
  slot->publish = NULL;
  if (!slot->record) {
    slot->next = attempt->free_slots;
    attempt->free_slots = slot;
  }
  hf_paho_weigh(attempt, 0, hf_publish_packet_size(publish));
  if (publish->qos > 0) hf_paho_quiet_count(0, 1);
  return publish;
}

/* Paho goes by the packet id alone: a second PUBCOMP for one that has been given to another message since is taken for
 * that one's, of whatever kind and in whatever state it is. */
static void settle(hf_paho_slot *slot, int32_t result) {
  hf_paho_attempt *attempt = slot->attempt;
  pthread_mutex_lock(&attempt->link->lock);
  slot->orphan = slot->publish && slot->publish->qos > 0 && !slot->answered;
  hf_publish *publish = slot->orphan ? NULL : take(slot);
  pthread_mutex_unlock(&attempt->link->lock);
  if (!publish) return;
  if (publish->qos == 2) hf_paho_store_end(&attempt->link->store, publish->packet_id);
  tell(attempt, publish, result);
}

static void sent(void *context, MQTTAsync_successData *data) {
  (void)data;
  settle(context, HF_LINK_RESULT_OK);
}

static void sent5(void *context, MQTTAsync_successData5 *data) {
  (void)data;
  settle(context, HF_LINK_RESULT_OK);
}

/* Of a failure without a reason code Paho fills in the code alone. */
static void refused5(void *context, MQTTAsync_failureData5 *data) {
  if (data->code == 0 && (int)data->reasonCode >= REFUSED) settle(context, (int32_t)data->reasonCode);
}

static bool carries(const hf_paho_attempt *attempt, const hf_publish *publish) {
  return attempt->keeps_session && publish->qos == 2 && publish->packet_id != 0 &&
         hf_paho_store_has_sent(&attempt->link->store, publish->packet_id);
}

void hf_paho_carry(hf_link *link, hf_publish *publish) {
  publish->carried = true;
  publish->mail.next = link->carried ? &link->carried->mail : NULL;
  link->carried = publish;
}

hf_publish *hf_paho_slots_sweep(hf_paho_attempt *attempt) {
  hf_link *link = attempt->link;
  hf_publish *lost = NULL;
  if (attempt->was_up && !attempt->keeps_session) {
    lost = link->carried;
    link->carried = NULL;
  }
  for (size_t i = 0; i < slot_count(attempt); i++) {
    hf_paho_slot *slot = slot_at(attempt, i);
    hf_publish *publish = slot->entering ? NULL : take(slot);
    if (!publish) continue;
    if (carries(attempt, publish)) {
      hf_paho_carry(link, publish);
    } else {
      publish->mail.next = lost ? &lost->mail : NULL;
      lost = publish;
    }
  }
  return lost;
}

void hf_paho_return(hf_paho_attempt *attempt, hf_publish *lost) {
  while (lost) {
    hf_publish *publish = lost;
    lost = (hf_publish *)publish->mail.next;
    hf_paho_store *store = &attempt->link->store;
    bool released = publish->qos == 2 && hf_paho_store_has_released(store, publish->packet_id);
    hf_paho_store_end(store, publish->packet_id);
    publish->packet_id = 0;
    publish->carried = false;
    tell(attempt, publish, released ? HF_LINK_RESULT_OK : HF_LINK_RESULT_LOST);
  }
}

/* Without memory for the mail the rest waits until the connection ends in another way. */
static void tell_renew(hf_paho_attempt *attempt) {
  hf_link_sink *sink = &attempt->link->sink;
  hf_mail *mail = malloc(sizeof *mail);
  if (!mail) return;
  *mail = (hf_mail){.owner = sink->owner, .generation = attempt->generation, .kind = HF_LINK_RENEW};
  sink->deliver(sink->context, mail);
}

/* Lock held. Paho sends as soon as it has the message, maybe before it has said which packet id that got. No more than
 * one is without, since one thread publishes. */
static hf_paho_slot *slot_of(hf_paho_attempt *attempt, int packet_id) {
  hf_paho_slot *known = NULL, *entering = NULL;
  for (size_t i = 0; i < slot_count(attempt); i++) {
    hf_paho_slot *slot = slot_at(attempt, i);
    if (!slot->publish || slot->publish->qos == 0) continue;
    if (slot->entering)
      entering = slot;
    else if (slot->publish->packet_id == packet_id)
      known = slot;
  }
  return known ? known : entering;
}

void hf_paho_written(hf_paho_attempt *attempt, uint16_t packet_id, const void *topic, const void *payload) {
  pthread_mutex_lock(&attempt->link->lock);
  hf_paho_slot *slot = slot_of(attempt, packet_id);
  if (slot) hf_paho_queue_disown(slot, topic, payload);
  pthread_mutex_unlock(&attempt->link->lock);
}

void hf_paho_answered(hf_paho_attempt *attempt, uint16_t packet_id) {
  pthread_mutex_lock(&attempt->link->lock);
  hf_paho_slot *slot = slot_of(attempt, packet_id);
  if (slot) slot->answered = true;
  pthread_mutex_unlock(&attempt->link->lock);
}

uint64_t hf_paho_publish_of(hf_paho_attempt *attempt, uint16_t packet_id) {
  pthread_mutex_lock(&attempt->link->lock);
  const hf_paho_slot *slot = slot_of(attempt, packet_id);
  uint64_t id = slot ? slot->publish->id : 0;
  pthread_mutex_unlock(&attempt->link->lock);
  return id;
}

static void settle_orphan(hf_paho_attempt *attempt, int packet_id) {
  pthread_mutex_lock(&attempt->link->lock);
  hf_paho_slot *slot = slot_of(attempt, packet_id);
  bool done = slot && slot->orphan && slot->answered;
  pthread_mutex_unlock(&attempt->link->lock);
  if (done) settle(slot, HF_LINK_RESULT_OK);
}

/* Paho names the packet id of everything that is acknowledged, in the right state or not. */
void hf_paho_delivered(hf_paho_attempt *attempt, int packet_id) {
  hf_link *link = attempt->link;
  settle_orphan(attempt, packet_id);
  if (hf_paho_store_has_sent(&link->store, (uint16_t)packet_id)) return; /* it was for another message */
  pthread_mutex_lock(&link->lock);
  hf_mail *before = NULL, *at = link->carried ? &link->carried->mail : NULL;
  while (at && ((hf_publish *)at)->packet_id != packet_id) {
    before = at;
    at = at->next;
  }
  hf_publish *publish = (hf_publish *)at;
  if (publish) {
    if (before)
      before->next = at->next;
    else
      link->carried = (hf_publish *)at->next;
  }
  /* When the attempt has ended meanwhile, all that it had resumed has been taken off the count already. */
  bool counted = publish && attempt->resumed > 0;
  if (counted) {
    hf_paho_weigh(attempt, 0, hf_publish_packet_size(publish));
    hf_paho_quiet_count(0, 1);
    attempt->resumed--;
  }
  bool renew = counted && attempt->resumed == 0 && attempt->withheld > 0;
  pthread_mutex_unlock(&link->lock);
  if (!publish) return;
  /* A PUBREC that refuses is told in the same way, without its code; if it was for the number of them, the message has
   * done nothing and goes again, as another one, since the broker has not taken it. */
  bool refused = hf_paho_store_take_refused(&link->store, publish->packet_id);
  hf_paho_store_end(&link->store, publish->packet_id);
  publish->packet_id = 0;
  publish->carried = false;
  tell(attempt, publish, !refused ? HF_LINK_RESULT_OK : attempt->overrun ? HF_LINK_RESULT_LOST : REFUSED);
  if (renew) tell_renew(attempt);
}

/* In the order in which they were sent first. Paho sends again all that it finds in its store, as soon as the broker
 * has accepted the connection and whatever that has said of its Receive Maximum, so what is too much is kept from it.
 */
void hf_paho_carried_withhold(hf_paho_attempt *attempt) {
  hf_link *link = attempt->link;
  pthread_mutex_lock(&link->lock);
  for (hf_publish *one = link->carried; one; one = (hf_publish *)one->mail.next) {
    size_t before = 0;
    for (hf_publish *other = link->carried; other; other = (hf_publish *)other->mail.next)
      before += other->place < one->place && !hf_paho_store_has_released(&link->store, other->packet_id);
    hf_paho_store_withhold(&link->store, one->packet_id, before >= link->receive_maximum);
    attempt->withheld += hf_paho_store_withholds(&link->store, one->packet_id);
  }
  pthread_mutex_unlock(&link->lock);
}

static hf_paho_slot *enter(hf_paho_attempt *attempt, hf_publish *publish) {
  pthread_mutex_lock(&attempt->link->lock);
  hf_paho_slot *slot = attempt->state == HF_PAHO_UP ? free_slot(attempt) : NULL;
  if (publish->qos > 0 && attempt->withheld > 0) slot = NULL; /* Paho might give it the packet id of one of those */
  /* Paho sends what it restores in the order of packet ids, and a new handle begins with the lowest: what is carried
   * must be over before new ones get theirs, or they overtake it at the next end of a connection. */
  if (publish->qos == 2 && attempt->link->carried) slot = NULL;
  if (slot && publish->qos > 0 && !hf_paho_quiet_enter()) slot = NULL;
  if (slot) {
    attempt->free_slots = slot->next;
    slot->publish = publish;
    slot->entering = true;
    slot->answered = slot->orphan = false;
    slot->topic = slot->payload = NULL;
    hf_paho_weigh(attempt, hf_publish_packet_size(publish), 0);
  }
  pthread_mutex_unlock(&attempt->link->lock);
  attempt->entering = slot;
  return slot;
}

static int send(hf_paho_attempt *attempt, hf_paho_slot *slot, MQTTAsync_responseOptions *answer) {
  const hf_publish *publish = slot->publish;
  MQTTAsync_message message = MQTTAsync_message_initializer;
  message.payload = (void *)(uintptr_t)publish->payload.data;
  message.payloadlen = (int)publish->payload.length;
  message.qos = publish->qos;
  message.retained = publish->retain;
  answer->context = slot;
  if (attempt->protocol == 5) {
    answer->onSuccess5 = sent5;
    answer->onFailure5 = refused5;
  } else {
    answer->onSuccess = sent;
  }
  int failed = MQTTASYNC_FAILURE;
  hf_paho_calls_begin();
  if (attempt->protocol != 5 || hf_paho_properties_message(&message.properties, publish->properties))
    failed = MQTTAsync_sendMessage(attempt->handle, publish->topic.data, &message, answer);
  hf_paho_calls_end();
  MQTTProperties_free(&message.properties);
  return failed;
}

/* What happened while the packet id was unknown: the outcome, or the end of the connection. */
static void entered(hf_paho_attempt *attempt, hf_paho_slot *slot, uint16_t packet_id) {
  hf_link *link = attempt->link;
  hf_publish *lost = NULL;
  pthread_mutex_lock(&link->lock);
  slot->entering = false;
  hf_publish *publish = slot->publish;
  if (publish) publish->packet_id = packet_id;
  if (publish && attempt->state == HF_PAHO_ENDED) {
    take(slot);
    if (carries(attempt, publish))
      hf_paho_carry(link, publish);
    else
      lost = publish;
  }
  pthread_mutex_unlock(&link->lock);
  if (!lost) return;
  lost->mail.next = NULL;
  hf_paho_return(attempt, lost);
}

bool hf_paho_publish(hf_link *link, hf_publish *publish) {
  hf_paho_attempt *attempt = link->attempt;
  hf_paho_slot *slot = attempt ? enter(attempt, publish) : NULL;
  if (!slot) return false;
  MQTTAsync_responseOptions answer = MQTTAsync_responseOptions_initializer;
  int failed = send(attempt, slot, &answer);
  attempt->entering = NULL;
  /* Paho has queued it before it asks hf_paho_queue_put to keep it, and from 1.3.14 on says what came of that. */
  if (!failed || failed == MQTTASYNC_PERSISTENCE_ERROR) {
    entered(attempt, slot, (uint16_t)answer.token);
    return true;
  }
  pthread_mutex_lock(&link->lock);
  slot->entering = false;
  take(slot);
  pthread_mutex_unlock(&link->lock);
  if (failed != MQTTASYNC_BAD_UTF8_STRING) return false;
  tell(attempt, publish, TOPIC_NAME_INVALID); /* no later try will take it */
  return true;
}
