#include "keeper/dues.h"

#include "keeper/handle.h"
#include "keeper/inside.h"
#include "keeper/snapshot.h"

/* Straight into the mailbox: this may run on the Lua side's thread, which must not use what the keeper owns. */
void hf_dues_tell_room(hf_client *client) {
  if (atomic_exchange(&client->room_told, true)) return; /* it is still to be taken, by whoever was refused meanwhile */
  client->room = (hf_mail){.owner = hf_client_hold(client), .kind = HF_EVENT_ROOM};
  hf_mailbox_push(client->out, &client->room);
}

/* An eighth of the queue at a time, or every message that leaves a full queue would wake Lua for one more. */
static bool has_much_room(hf_client *client) {
  hf_queued queued = hf_account_queued(&client->account);
  return queued.messages <= client->options->queue_messages / 8 * 7 &&
         queued.bytes <= client->options->queue_bytes / 8 * 7;
}

void hf_dues_credit(hf_client *client, size_t messages, size_t bytes) {
  atomic_fetch_add(&client->account.credited_messages, messages);
  atomic_fetch_add(&client->account.credited_bytes, bytes);
  /* A closed client has no room for anybody. */
  if (atomic_load(&client->room_wanted) && !atomic_load(&client->closed) && has_much_room(client) &&
      atomic_exchange(&client->room_wanted, false))
    hf_dues_tell_room(client);
}

static void release_block(hf_dues *dues) {
  if (dues->block) hf_publish_block_release(dues->block, dues->gone);
  dues->block = NULL;
  dues->gone = 0;
}

void hf_dues_free(hf_client *client, hf_publish *publish) {
  hf_dues *dues = &client->dues;
  if (!publish->block) {
    hf_publish_free(publish);
    return;
  }
  if (dues->block != publish->block) release_block(dues);
  dues->block = publish->block;
  dues->gone++;
}

void hf_dues_pay(hf_client *client) {
  hf_dues *dues = &client->dues;
  if (dues->sent) HF_COUNT(client, sent, dues->sent);
  if (dues->delivered) HF_COUNT(client, delivered, dues->delivered);
  if (dues->messages) hf_dues_credit(client, dues->messages, dues->bytes);
  if (dues->references) atomic_fetch_sub(&client->references, dues->references); /* the keeper's own is not of these */
  release_block(dues);
  *dues = (hf_dues){0};
}
