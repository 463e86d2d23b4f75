#include "keeper/door.h"

#include "keeper/inside.h"

hf_mailbox *hf_keeper_inbox(hf_keeper *keeper) {
  return keeper->inbox;
}

void hf_keeper_deliver(void *context, hf_mail *mail) {
  hf_mailbox_push(((hf_keeper *)context)->inbox, mail);
}

void hf_keeper_tell(void *context, hf_mail *mail) {
  hf_keeper *keeper = context;
  mail->next = NULL;
  *keeper->last_told = mail;
  keeper->last_told = &mail->next;
}

void hf_client_signal(hf_client *client, hf_signal_kind kind) {
  hf_signal *signal = &client->signals[kind];
  if (atomic_exchange(&signal->under_way, true)) return;
  signal->mail = (hf_mail){.owner = hf_client_hold(client), .kind = (uint16_t)(HF_COMMAND_SIGNALS + kind)};
  hf_mailbox_push(client->keeper->inbox, &signal->mail);
}

void hf_client_dirty(hf_client *client) {
  if (client->dirty) return;
  client->dirty = true;
  client->next_dirty = client->keeper->dirty;
  client->keeper->dirty = client;
}
