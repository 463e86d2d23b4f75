#include "keeper/handle.h"

#include <stdlib.h>

#include "keeper/inside.h"

static void free_all(hf_mail *mail) {
  for (hf_mail *next; mail; mail = next) {
    next = mail->next;
    free(mail);
  }
}

void hf_client_free(hf_client *client) {
  hf_client_gone(client);
  hf_publish_block_close(client->posting.block);
  hf_store_free(client->store);
  free(client->keeping);
  hf_mailbox_release(client->out);
  hf_subscriptions_free(client->subscriptions);
  hf_verdicts_forget(&client->diagnosis.verdicts);
  hf_options_free(client->options);
  free(client->assigned_id);
  free(client->response_information);
  if (client->last_context) hf_tls_context_drop(client->last_context);
  hf_given_forget(client);
  hf_walk_forget(client);
  free(client->nonce);
  free(client->exchange);
  hf_begun_free(&client->marks[0]);
  hf_begun_free(&client->marks[1]);
  free_all((hf_mail *)client->removals);
  while (client->waiting) {
    hf_mail *next = client->waiting->next;
    hf_message_free((hf_message *)client->waiting);
    client->waiting = next;
  }
  hf_index_free(&client->outbox.all);
  pthread_mutex_destroy(&client->lock);
  free(client);
  hf_client_living--;
}

hf_client *hf_client_hold(hf_client *client) {
  atomic_fetch_add_explicit(&client->references, 1, memory_order_relaxed);
  return client;
}

void hf_client_hold_more(hf_client *client, unsigned count) {
  atomic_fetch_add_explicit(&client->references, count, memory_order_relaxed);
}

void hf_client_drop(hf_client *client) {
  hf_client_drop_more(client, 1);
}

void hf_client_drop_more(hf_client *client, unsigned count) {
  if (atomic_fetch_sub(&client->references, count) > count) return;
  hf_client_free(client);
}

void hf_client_gone(hf_client *client) {
  if (!atomic_exchange(&client->gone, true)) hf_client_total--;
}

uint32_t hf_client_id(const hf_client *client) {
  return client->id;
}

const hf_client_options *hf_client_options_of(const hf_client *client) {
  return client->options;
}
