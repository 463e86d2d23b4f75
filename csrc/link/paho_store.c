#include "link/paho_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire.h"

/* Paho names a record by what it is, "5" for MQTT 5, a dash, and a number: s- PUBLISH sent, sc- its PUBREL, r- PUBLISH
 * received, c- a command in its queue, q- a message nobody took. Both protocol versions mean the same record here,
 * because a store is cleared when the protocol changes. Only QoS 2 is kept: a QoS 1 that was in flight when its handle
 * ended is sent anew, which its QoS allows. A PUBREL is a mark on the PUBLISH it belongs to. */

struct hf_paho_record {
  hf_paho_record *next;
  uint16_t packet_id;
  bool sent;     /* else received */
  bool released; /* PUBREL has been sent */
  bool withheld; /* Paho does not see it */
  int length;
  char packet[];
};

typedef enum key_kind { KEY_SENT, KEY_RELEASED, KEY_RECEIVED, KEY_COMMAND, KEY_OTHER } key_kind;

static key_kind parse_key(const char *key, uint16_t *packet_id) {
  const char *dash = strchr(key, '-');
  *packet_id = dash ? (uint16_t)strtoul(dash + 1, NULL, 10) : 0;
  switch (key[0]) {
  case 's':
    return key[1] == 'c' ? KEY_RELEASED : KEY_SENT;
  case 'r':
    return KEY_RECEIVED;
  case 'c':
    return KEY_COMMAND;
  default:
    return KEY_OTHER;
  }
}

static hf_paho_record **find(hf_paho_store *store, uint16_t packet_id, bool sent) {
  hf_paho_record **at = &store->records[packet_id % 64];
  while (*at && ((*at)->packet_id != packet_id || (*at)->sent != sent))
    at = &(*at)->next;
  return at;
}

static void drop(hf_paho_record **at) {
  hf_paho_record *record = *at;
  if (!record) return;
  *at = record->next;
  free(record);
}

static void drop_all(hf_paho_record **at) {
  while (*at)
    drop(at);
}

void hf_paho_store_init(hf_paho_store *store) {
  memset(store, 0, sizeof *store);
  pthread_mutex_init(&store->lock, NULL);
}

void hf_paho_store_clear(hf_paho_store *store) {
  pthread_mutex_lock(&store->lock);
  for (size_t i = 0; i < 64; i++)
    drop_all(&store->records[i]);
  drop_all(&store->over);
  store->refused = 0;
  pthread_mutex_unlock(&store->lock);
}

bool hf_paho_store_has_any(hf_paho_store *store) {
  bool any = false;
  pthread_mutex_lock(&store->lock);
  for (size_t i = 0; i < 64; i++)
    any = any || store->records[i];
  pthread_mutex_unlock(&store->lock);
  return any;
}

void hf_paho_store_withhold(hf_paho_store *store, uint16_t packet_id, bool withheld) {
  pthread_mutex_lock(&store->lock);
  hf_paho_record *record = *find(store, packet_id, true);
  if (record) record->withheld = withheld && !record->released;
  pthread_mutex_unlock(&store->lock);
}

bool hf_paho_store_withholds(hf_paho_store *store, uint16_t packet_id) {
  pthread_mutex_lock(&store->lock);
  const hf_paho_record *record = *find(store, packet_id, true);
  bool withheld = record && record->withheld;
  pthread_mutex_unlock(&store->lock);
  return withheld;
}

static hf_paho_record **find_over(hf_paho_store *store, uint16_t packet_id) {
  hf_paho_record **at = &store->over;
  while (*at && (*at)->packet_id != packet_id)
    at = &(*at)->next;
  return at;
}

void hf_paho_store_end(hf_paho_store *store, uint16_t packet_id) {
  pthread_mutex_lock(&store->lock);
  drop(find_over(store, packet_id));
  pthread_mutex_unlock(&store->lock);
}

void hf_paho_store_free(hf_paho_store *store) {
  hf_paho_store_clear(store);
  pthread_mutex_destroy(&store->lock);
}

bool hf_paho_store_has_sent(hf_paho_store *store, uint16_t packet_id) {
  pthread_mutex_lock(&store->lock);
  bool has = *find(store, packet_id, true) != NULL;
  pthread_mutex_unlock(&store->lock);
  return has;
}

bool hf_paho_store_has_released(hf_paho_store *store, uint16_t packet_id) {
  pthread_mutex_lock(&store->lock);
  const hf_paho_record *record = *find(store, packet_id, true);
  bool released = record ? record->released : *find_over(store, packet_id) != NULL;
  pthread_mutex_unlock(&store->lock);
  return released;
}

bool hf_paho_store_take_refused(hf_paho_store *store, uint16_t packet_id) {
  pthread_mutex_lock(&store->lock);
  bool refused = store->refused == packet_id;
  store->refused = 0;
  pthread_mutex_unlock(&store->lock);
  return refused;
}

/* ---- Paho's side; handle and context are the attempt ---- */

static hf_paho_store *store_of(void *handle) {
  return &((hf_paho_attempt *)handle)->link->store;
}

static int store_open(void **handle, const char *client_id, const char *uri, void *context) {
  (void)client_id, (void)uri;
  *handle = context;
  return 0;
}

static int store_close(void *handle) {
  (void)handle;
  return 0;
}

enum { TRIES = 3 }; /* Paho sends the packet whether or not there is a record of it */

static int put_record(hf_paho_store *store, uint16_t packet_id, bool sent, int count, char **buffers, int *lengths) {
  size_t total = 0;
  for (int i = 0; i < count; i++)
    total += (size_t)lengths[i];
  hf_paho_record *record = NULL;
  for (int tries = 0; tries < TRIES && !record; tries++)
    record = malloc(sizeof *record + total);
  if (!record) return MQTTCLIENT_PERSISTENCE_ERROR;
  *record = (hf_paho_record){.packet_id = packet_id, .sent = sent, .length = (int)total};
  char *at = record->packet;
  for (int i = 0; i < count; at += lengths[i], i++)
    memcpy(at, buffers[i], (size_t)lengths[i]);
  drop(find(store, packet_id, sent));
  if (sent) drop(find_over(store, packet_id));
  record->next = store->records[packet_id % 64];
  store->records[packet_id % 64] = record;
  return 0;
}

static int store_get(void *handle, char *key, char **buffer, int *length) {
  uint16_t packet_id;
  key_kind kind = parse_key(key, &packet_id);
  if (kind == KEY_COMMAND) return hf_paho_queue_get(handle, key, buffer, length);
  hf_paho_store *store = store_of(handle);
  pthread_mutex_lock(&store->lock);
  hf_paho_record *record = *find(store, packet_id, kind == KEY_SENT);
  *buffer = record ? MQTTAsync_malloc((size_t)record->length) : NULL;
  if (*buffer) {
    memcpy(*buffer, record->packet, (size_t)record->length);
    *length = record->length;
  }
  pthread_mutex_unlock(&store->lock);
  return *buffer ? 0 : MQTTCLIENT_PERSISTENCE_ERROR;
}

/* MQTT 5 hands a message over when it comes, so its packet id is all that is left to know; 3.1.1 at its PUBREL. */
static void write_received(hf_paho_attempt *attempt, uint16_t packet_id) {
  hf_paho_store *store = &attempt->link->store;
  char *packet = NULL;
  int length = 0;
  if (attempt->protocol != 5) {
    char key[16];
    snprintf(key, sizeof key, "r-%u", (unsigned)packet_id);
    if (store_get(attempt, key, &packet, &length) != 0) return;
  }
  hf_store_received(store->disk, packet_id, (hf_bytes){packet, (size_t)length});
  if (packet) MQTTAsync_free(packet);
}

static void write_down(hf_paho_attempt *attempt, key_kind kind, uint16_t packet_id) {
  hf_store *disk = attempt->link->store.disk;
  if (kind == KEY_RELEASED) {
    hf_store_released(disk, packet_id);
  } else if (kind == KEY_RECEIVED) {
    write_received(attempt, packet_id);
  } else {
    uint64_t id = hf_paho_publish_of(attempt, packet_id);
    if (id) hf_store_sent(disk, packet_id, id);
  }
}

static int store_put(void *handle, char *key, int count, char **buffers, int *lengths) {
  uint16_t packet_id;
  key_kind kind = parse_key(key, &packet_id);
  if (kind == KEY_COMMAND) return hf_paho_queue_put(handle, key, count, buffers, lengths);
  if (kind == KEY_OTHER) return 0;
  /* Of a PUBLISH: between the two its packet id and properties, before them lengths. */
  enum { TOPIC = 2, PAYLOAD = 4, PIECES };
  if (kind == KEY_SENT && count == PIECES) hf_paho_written(handle, packet_id, buffers[TOPIC], buffers[PAYLOAD]);
  int qos = buffers[0][0] >> 1 & 3;
  if (kind != KEY_RELEASED && qos != 2) return 0;
  hf_paho_store *store = store_of(handle);
  int failed = 0;
  bool known = false;
  pthread_mutex_lock(&store->lock);
  if (kind == KEY_RELEASED) {
    hf_paho_record *record = *find(store, packet_id, true);
    known = !record || record->released;
    if (record) record->released = true;
  } else {
    known = buffers[0][0] & 8 && *find(store, packet_id, kind == KEY_SENT); /* DUP of what is here already */
    if (!known) failed = put_record(store, packet_id, kind == KEY_SENT, count, buffers, lengths);
  }
  pthread_mutex_unlock(&store->lock);
  if (store->disk && !known && !failed) write_down(handle, kind, packet_id);
  return failed;
}

static int store_remove(void *handle, char *key) {
  uint16_t packet_id;
  key_kind kind = parse_key(key, &packet_id);
  if (kind == KEY_COMMAND) hf_paho_queue_remove(handle, key);
  if ((kind != KEY_SENT && kind != KEY_RECEIVED) || ((hf_paho_attempt *)handle)->stillborn) return 0;
  if (kind == KEY_SENT) hf_paho_answered(handle, packet_id);
  hf_paho_store *store = store_of(handle);
  pthread_mutex_lock(&store->lock);
  hf_paho_record **at = find(store, packet_id, kind == KEY_SENT);
  hf_paho_record *record = *at;
  if (record && kind == KEY_SENT) store->refused = record->released ? 0 : packet_id;
  if (record && kind == KEY_SENT && record->released) {
    *at = record->next;
    record->next = store->over;
    store->over = record;
  } else {
    drop(at);
  }
  pthread_mutex_unlock(&store->lock);
  /* Of what was sent the keeper says when it is done: to be told a second time that it is costs nothing. */
  if (record && kind == KEY_RECEIVED && store->disk) hf_store_completed(store->disk, packet_id);
  return 0;
}

/* ---- what an earlier process has left ---- */

bool hf_paho_store_restore_sent(hf_paho_store *store, const hf_publish *publish, uint8_t protocol) {
  size_t size;
  char *packet = hf_wire_publish(publish, protocol, publish->packet_id, &size);
  int length = (int)size;
  bool kept = packet && put_record(store, publish->packet_id, true, 1, &packet, &length) == 0;
  if (kept) (*find(store, publish->packet_id, true))->released = publish->released;
  free(packet);
  return kept;
}

typedef struct restoring {
  hf_paho_store *store;
  uint8_t protocol;
} restoring;

static void restore_received(void *context, uint16_t packet_id, hf_bytes packet) {
  const restoring *to = context;
  /* Where the message is not wanted any more: PUBLISH, QoS 2, topic "-", no properties and no payload. */
  char stub[] = {0x34, 6, 0, 1, '-', (char)(packet_id >> 8), (char)(packet_id & 0xFF), 0};
  char *bytes = packet.length ? (char *)(uintptr_t)packet.data : stub;
  int length = packet.length ? (int)packet.length : (int)sizeof stub;
  if (packet.length || to->protocol == 5) put_record(to->store, packet_id, false, 1, &bytes, &length);
}

void hf_paho_store_restore_received(hf_paho_store *store, uint8_t protocol) {
  restoring to = {store, protocol};
  hf_store_read_received(store->disk, restore_received, &to);
}

static char *make_key(const hf_paho_attempt *attempt, const hf_paho_record *record) {
  char *key = MQTTAsync_malloc(16);
  if (key)
    snprintf(key, 16, "%s%s-%u", record->sent ? "s" : "r", attempt->protocol == 5 ? "5" : "",
             (unsigned)record->packet_id);
  return key;
}

static int store_keys(void *handle, char ***keys, int *count) {
  hf_paho_store *store = store_of(handle);
  *keys = NULL;
  *count = 0;
  pthread_mutex_lock(&store->lock);
  size_t total = 0, made = 0;
  for (size_t i = 0; i < 64; i++)
    for (hf_paho_record *record = store->records[i]; record; record = record->next)
      total += !record->withheld;
  if (total) *keys = MQTTAsync_malloc(total * sizeof **keys);
  for (size_t i = 0; i < 64 && *keys; i++)
    for (hf_paho_record *record = store->records[i]; record; record = record->next)
      if (!record->withheld && ((*keys)[made] = make_key(handle, record))) made++;
  pthread_mutex_unlock(&store->lock);
  *count = (int)made;
  return made == total ? 0 : MQTTCLIENT_PERSISTENCE_ERROR;
}

static int store_clear(void *handle) {
  hf_paho_store_clear(store_of(handle));
  return 0;
}

/* 0 when it is there. */
static int store_contains(void *handle, char *key) {
  uint16_t packet_id;
  key_kind kind = parse_key(key, &packet_id);
  hf_paho_store *store = store_of(handle);
  pthread_mutex_lock(&store->lock);
  hf_paho_record *record = *find(store, packet_id, kind != KEY_RECEIVED);
  bool there = record && (kind != KEY_RELEASED || record->released);
  pthread_mutex_unlock(&store->lock);
  return there ? 0 : 1;
}

MQTTClient_persistence hf_paho_store_persistence(hf_paho_attempt *attempt) {
  return (MQTTClient_persistence){.context = attempt,
                                  .popen = store_open,
                                  .pclose = store_close,
                                  .pput = store_put,
                                  .pget = store_get,
                                  .premove = store_remove,
                                  .pkeys = store_keys,
                                  .pclear = store_clear,
                                  .pcontainskey = store_contains};
}
