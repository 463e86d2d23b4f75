#include <stdlib.h>
#include <string.h>

#include "core/wire.h"
#include "store/inside.h"

/* A system may let go of what it could not bring to the medium, so that a look through the file finds what was there
 * before, and fails or not as it likes. So what has been written since the last sync that succeeded is kept in mind,
 * and written once more, in the same order, to a file that is made anew. */

struct hf_store_recent {
  hf_list_link order;
  hf_index_link by_id; /* of a message, or of a packet that has been received */
  uint64_t written;    /* commits, its own included */
  hf_publish *message; /* a copy */
  uint64_t done;       /* or the id of one; 0, NULL: it is a note */
  hf_store_note note;
  char packet[];
};

void hf_store_recent_init(hf_store *store) {
  hf_list_init(&store->recent);
  hf_index_init(&store->recent_messages);
  hf_index_init(&store->recent_packets);
}

void hf_store_recent_end(hf_store *store) {
  hf_store_forget_recent(store, UINT64_MAX);
  hf_index_free(&store->recent_messages);
  hf_index_free(&store->recent_packets);
}

static hf_store_recent *find_message(const hf_store *store, uint64_t id) {
  hf_index_link *at = hf_index_find(&store->recent_messages, (uint32_t)id);
  for (; at; at = hf_index_again(at)) {
    hf_store_recent *recent = HF_OWNER(hf_store_recent, by_id, at);
    if (recent->message->id == id) return recent;
  }
  return NULL;
}

static bool is_packet(const hf_store_recent *recent) {
  return !recent->message && !recent->done && recent->note.kind == HF_STORE_NOTE_RECEIVED;
}

/* Without its body. */
static void take_out(hf_store *store, hf_store_recent *recent) {
  hf_list_remove(&recent->order);
  if (is_packet(recent)) hf_index_remove(&store->recent_packets, &recent->by_id);
  if (!recent->message) return;
  hf_index_remove(&store->recent_messages, &recent->by_id);
  hf_publish_free(recent->message);
  recent->message = NULL;
}

static void append(hf_store *store, hf_store_recent *recent) {
  recent->written = store->written;
  hf_list_append(&store->recent, &recent->order);
}

/* ---- what is remembered ---- */

hf_store_recent *hf_store_recent_message(const hf_publish *publish) {
  hf_store_recent *recent = calloc(1, sizeof *recent);
  if (!recent) return NULL;
  recent->message = hf_publish_new(publish->topic, publish->payload, publish->properties);
  if (!recent->message) {
    free(recent);
    return NULL;
  }
  recent->message->id = publish->id;
  recent->message->qos = publish->qos;
  recent->message->priority = publish->priority;
  recent->message->retain = publish->retain;
  recent->message->deadline = publish->deadline;
  recent->message->expires = publish->expires;
  return recent;
}

void hf_store_recent_drop(hf_store_recent *recent) {
  if (recent) hf_publish_free(recent->message);
  free(recent);
}

void hf_store_remember_message(hf_store *store, hf_store_recent *recent) {
  append(store, recent);
  hf_index_put(&store->recent_messages, &recent->by_id, (uint32_t)recent->message->id);
}

/* The body is needed no more. Without memory it is not remembered, which costs a repetition. */
void hf_store_remember_done(hf_store *store, uint64_t id) {
  hf_store_recent *recent = find_message(store, id);
  if (recent)
    take_out(store, recent);
  else
    recent = calloc(1, sizeof *recent);
  if (!recent) return;
  recent->done = id;
  append(store, recent);
}

/* Nor is that of a packet which has another one, or none, in its place. */
static void supersede(hf_store *store, const hf_store_note *note) {
  bool about_packet = note->kind == HF_STORE_NOTE_RECEIVED || note->kind == HF_STORE_NOTE_COMPLETED;
  hf_index_link *at = about_packet ? hf_index_find(&store->recent_packets, note->packet_id) : NULL;
  if (!at) return;
  hf_store_recent *recent = HF_OWNER(hf_store_recent, by_id, at);
  take_out(store, recent);
  free(recent);
}

void hf_store_remember_note(hf_store *store, const hf_store_note *note) {
  supersede(store, note);
  hf_store_recent *recent = calloc(1, sizeof *recent + note->packet.length);
  if (!recent) return;
  recent->note = *note;
  if (note->packet.length) memcpy(recent->packet, note->packet.data, note->packet.length);
  recent->note.packet.data = recent->packet;
  append(store, recent);
  if (is_packet(recent)) hf_index_put(&store->recent_packets, &recent->by_id, note->packet_id);
}

void hf_store_forget_recent(hf_store *store, uint64_t synced) {
  while (!hf_list_empty(&store->recent)) {
    hf_store_recent *recent = HF_OWNER(hf_store_recent, order, store->recent.next);
    if (recent->written > synced) return;
    take_out(store, recent);
    free(recent);
  }
}

/* ---- once more ---- */

static int write_message(hf_store *store, const hf_publish *message) {
  size_t size = hf_properties_publish_size(message->properties);
  char *properties = malloc(size ? size : 1);
  if (!properties) return SQLITE_NOMEM;
  hf_wire_put_properties(properties, message->properties);
  int result = hf_store_step_with(store, HF_STORE_DELETE, message->id);
  if (!result) result = hf_store_insert(store, message, (hf_bytes){properties, size});
  free(properties);
  return result;
}

static int write_again(hf_store *store, const hf_store_recent *recent) {
  if (recent->message) return write_message(store, recent->message);
  return recent->done ? hf_store_delete(store, recent->done) : hf_store_write_note(store, &recent->note);
}

hf_store_code hf_store_write_recent(hf_store *store) {
  int result = hf_store_step(store, HF_STORE_BEGIN);
  if (!result) result = hf_store_step_with(store, HF_STORE_CLAIM, store->claimed);
  for (hf_list_link *at = store->recent.next; !result && at != &store->recent; at = at->next)
    result = write_again(store, HF_OWNER(hf_store_recent, order, at));
  if (!hf_store_end_transaction(store, result)) return store->trouble.code;
  for (hf_list_link *at = store->recent.next; at != &store->recent; at = at->next)
    HF_OWNER(hf_store_recent, order, at)->written = store->written;
  return HF_STORE_OK;
}
