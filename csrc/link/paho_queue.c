#include "link/paho_link.h"

#include <stdlib.h>
#include <string.h>

/* A command that Paho cannot send at once waits in its queue, and Paho 1.3.12 loses the memory of topic and payload
 * when a handle is destroyed with publishes still there. Unless a persistence takes them: then Paho frees its copies at
 * once and asks for the command again when its turn comes. So this takes them. The record is opaque but for the
 * payload, which is found in it and, when it is not small, left where it is: in the hf_publish that the link has
 * been lent. */

enum { SMALL = 1024 };

static unsigned command_number(const char *key) {
  const char *dash = strchr(key, '-');
  return dash ? (unsigned)strtoul(dash + 1, NULL, 10) : 0;
}

static int find_payload(hf_bytes payload, int count, char **buffers, const int *lengths) {
  if (payload.length < SMALL) return -1;
  for (int i = 0; i < count; i++)
    if ((size_t)lengths[i] == payload.length && memcmp(buffers[i], payload.data, payload.length) == 0) return i;
  return -1;
}

/* What has been written belongs to Paho 1.3.12 twice: to the command, and to the message in flight. Should the write
 * fail, or an answer come that is not for this state of the message, both free it; and until the second does, it may be
 * somebody else's. So the command loses it. Where the command keeps it is known from the pieces of the command that
 * Paho asks to have stored: the length of the payload stands between the two pointers. Believed only if they are there.
 */
static void find_owned(hf_paho_slot *slot, int count, char **buffers) {
  enum { TOPIC = 2, PAYLOAD_LENGTH, PAYLOAD };
  if (count <= PAYLOAD) return;
  void **topic = (void **)(void *)(buffers[PAYLOAD_LENGTH] - sizeof(void *));
  void **payload = (void **)(void *)(buffers[PAYLOAD_LENGTH] + sizeof(void *));
  if (*topic != buffers[TOPIC] || *payload != buffers[PAYLOAD]) return;
  slot->topic = topic;
  slot->payload = payload;
}

/* Lock held, on Paho's send thread, while it handles the command. */
void hf_paho_queue_disown(hf_paho_slot *slot, const void *topic, const void *payload) {
  if (!slot->topic || *slot->topic != topic || *slot->payload != payload) return;
  *slot->topic = *slot->payload = NULL;
  slot->topic = slot->payload = NULL;
}

int hf_paho_queue_put(hf_paho_attempt *attempt, const char *key, int count, char **buffers, const int *lengths) {
  hf_paho_slot *slot = attempt->entering;
  if (!slot) return 0; /* SUBSCRIBE and UNSUBSCRIBE keep their memory */
  int payload = find_payload(slot->publish->payload, count, buffers, lengths);
  size_t total = 0, kept = 0, payload_at = SIZE_MAX;
  for (int i = 0; i < count; total += (size_t)lengths[i], i++) {
    if (i == payload)
      payload_at = total;
    else
      kept += (size_t)lengths[i];
  }
  char *record = malloc(kept ? kept : 1), *at = record;
  if (!record) return MQTTCLIENT_PERSISTENCE_ERROR;
  for (int i = 0; i < count; i++) {
    if (i == payload) continue;
    memcpy(at, buffers[i], (size_t)lengths[i]);
    at += lengths[i];
  }
  pthread_mutex_lock(&attempt->link->lock);
  find_owned(slot, count, buffers);
  slot->record = record;
  slot->record_length = total;
  slot->payload_at = payload_at;
  slot->command = command_number(key);
  slot->next = NULL;
  *attempt->queue_end = slot;
  attempt->queue_end = &slot->next;
  pthread_mutex_unlock(&attempt->link->lock);
  return 0;
}

/* The oldest is the one asked for, as a rule. */
static hf_paho_slot **find(hf_paho_attempt *attempt, const char *key) {
  unsigned number = command_number(key);
  hf_paho_slot **at = &attempt->queue;
  while (*at && (*at)->command != number)
    at = &(*at)->next;
  return at;
}

/* Paho asks while it holds its own lock, without which no publish is given back: the payload stays. */
int hf_paho_queue_get(hf_paho_attempt *attempt, const char *key, char **buffer, int *length) {
  pthread_mutex_lock(&attempt->link->lock);
  hf_paho_slot *slot = *find(attempt, key);
  hf_bytes payload = slot && slot->publish ? slot->publish->payload : (hf_bytes){NULL, 0};
  pthread_mutex_unlock(&attempt->link->lock);
  if (!slot || !slot->record) return MQTTCLIENT_PERSISTENCE_ERROR;
  char *copy = *buffer = MQTTAsync_malloc(slot->record_length);
  if (!copy) return MQTTCLIENT_PERSISTENCE_ERROR;
  *length = (int)slot->record_length;
  size_t before = slot->record_length;
  if (slot->payload_at != SIZE_MAX) {
    before = slot->payload_at;
    memcpy(copy + before, payload.data, payload.length);
    memcpy(copy + before + payload.length, slot->record + before, slot->record_length - payload.length - before);
  }
  memcpy(copy, slot->record, before);
  return 0;
}

static void forget(hf_paho_slot *slot) {
  free(slot->record);
  slot->record = NULL;
}

void hf_paho_queue_remove(hf_paho_attempt *attempt, const char *key) {
  pthread_mutex_lock(&attempt->link->lock);
  hf_paho_slot **at = find(attempt, key);
  hf_paho_slot *slot = *at;
  if (slot) {
    *at = slot->next;
    if (!*at) attempt->queue_end = at;
    forget(slot);
  }
  pthread_mutex_unlock(&attempt->link->lock);
}

void hf_paho_queue_free(hf_paho_attempt *attempt) {
  for (hf_paho_slot *slot = attempt->queue; slot; slot = slot->next)
    forget(slot);
}
