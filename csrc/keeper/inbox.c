#include "keeper/inbox.h"

#include <stdlib.h>

#include "keeper/door.h"
#include "keeper/inside.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"

/* What is wrong with a message, or NULL. Without a topic, be it that it counts on a topic alias, though we take none,
 * nobody can say whose it is. A session from before this process, or at another server, has subscriptions that we know
 * nothing of; one that began with us has not. */
static const char *violation(const hf_client *client, const hf_message *message) {
  const hf_properties *properties = message->properties;
  if (message->topic.length == 0) return "PUBLISH without a topic";
  if (properties && client->server == client->begun_at &&
      properties->subscription_identifier_count > hf_subscriptions_most(client->subscriptions))
    return "PUBLISH with more Subscription Identifiers than subscriptions";
  return NULL;
}

/* Whether it is one that nobody is given; `wrong`: what it is that the connection must end over, or NULL. */
static bool refused(const hf_client *client, const hf_message *message, const char **wrong) {
  bool current = client->connected && message->mail.generation == client->generation;
  *wrong = violation(client, message);
  bool refuse = *wrong && (current || message->topic.length == 0);
  if (!current) *wrong = NULL;
  return refuse;
}

enum {
  LOOK = 1000,    /* ms between two looks at what is not acknowledged while there is no room */
  ASK_AGAIN = 20, /* ms until memory that was short is asked for again */
};

static bool holds_back(const hf_client *client) {
  return client->operations->allow != NULL;
}

/* Which account a message is on: QoS 0 must not be dropped for what the others hold, nor take their places. */
static bool is_flood(const hf_client *client, const hf_message *message) {
  return message->qos == 0 && holds_back(client);
}

static bool is_full(hf_client *client, bool flood) {
  const hf_client_options *options = client->options;
  return atomic_load(flood ? &client->flood_messages : &client->inbox_messages) >= options->inbox_messages ||
         atomic_load(flood ? &client->flood_bytes : &client->inbox_bytes) >= options->inbox_bytes;
}

/* False when memory is short: whose it is is not known, but of the first four. */
static bool find_wishes(hf_client *client, hf_message *message) {
  const hf_properties *properties = message->properties;
  const uint32_t *identifiers = properties ? properties->subscription_identifiers : NULL;
  size_t identifier_count = properties ? properties->subscription_identifier_count : 0;
  message->wishes = message->wishes_inline;
  message->wish_count = hf_subscriptions_match(client->subscriptions, message->topic, identifiers, identifier_count,
                                               message->wishes_inline, 4);
  if (message->wish_count <= 4) return true;
  uint32_t *more = malloc(message->wish_count * sizeof *more);
  if (!more) return false;
  message->wishes = more;
  hf_subscriptions_match(client->subscriptions, message->topic, identifiers, identifier_count, more,
                         message->wish_count);
  return true;
}

/* What a message was sent with is shown, and the identifiers that the user has given; those of our own choice are not.
 */
static void hide_chosen(const hf_client *client, hf_message *message) {
  hf_properties *properties = message->properties;
  if (!properties || properties->subscription_identifier_count == 0) return;
  uint32_t *kept = (uint32_t *)(uintptr_t)properties->subscription_identifiers; /* in the message's own block */
  size_t count = 0;
  for (size_t i = 0; i < properties->subscription_identifier_count; i++)
    if (!hf_subscriptions_chosen(client->subscriptions, kept[i])) kept[count++] = kept[i];
  properties->subscription_identifier_count = count;
  if (hf_properties_empty(properties)) message->properties = NULL;
}

/* In the order in which they came. Who waits here has its place in the inbox, which bounds them. */
void hf_inbox_pass_on(hf_client *client) {
  while (client->waiting) {
    hf_message *message = (hf_message *)client->waiting;
    if (!find_wishes(client, message)) {
      client->due[HF_DUE_MEMORY] = client->keeper->now + ASK_AGAIN;
      return;
    }
    hide_chosen(client, message);
    client->waiting = message->mail.next;
    hf_tell_mail(client, &message->mail);
  }
}

static void append(hf_client *client, hf_message *message) {
  message->mail.next = NULL;
  if (!client->waiting) client->last_waiting = &client->waiting;
  *client->last_waiting = &message->mail;
  client->last_waiting = &message->mail.next;
}

hf_inbox_verdict hf_inbox_message(hf_client *client, hf_message *message, const char **wrong) {
  size_t bytes = message->topic.length + message->payload.length;
  HF_COUNT(client, received, 1);
  if (client->finished || atomic_load_explicit(&client->quiet, memory_order_relaxed)) {
    hf_message_free(message);
    return HF_INBOX_WELL;
  }
  if (refused(client, message, wrong)) {
    hf_message_free(message);
    return *wrong ? HF_INBOX_VIOLATED : HF_INBOX_WELL;
  }
  bool flood = is_flood(client, message), over = is_full(client, flood);
  if (over && message->qos == 0) {
    HF_COUNT(client, inbox_dropped, 1);
    hf_message_free(message);
    return HF_INBOX_WELL;
  }
  message->mail.kind = HF_EVENT_MESSAGE;
  atomic_fetch_add(flood ? &client->flood_messages : &client->inbox_messages, 1);
  atomic_fetch_add(flood ? &client->flood_bytes : &client->inbox_bytes, bytes);
  append(client, message);
  hf_inbox_pass_on(client);
  if (client->waiting) hf_driver_dirty(client); /* its timer is new */
  if (flood) return HF_INBOX_WELL;
  if (!holds_back(client)) return over && client->connected ? HF_INBOX_FULL : HF_INBOX_WELL;
  if (!is_full(client, false)) return HF_INBOX_WELL;
  if (client->link) client->operations->allow(client->link, 0);
  if (client->due[HF_DUE_HELD] != HF_NEVER) return HF_INBOX_WELL;
  client->due[HF_DUE_HELD] = client->keeper->now + LOOK;
  hf_driver_dirty(client);
  return HF_INBOX_WELL;
}

static void allow(hf_client *client) {
  size_t taken = atomic_load(&client->inbox_messages), most = client->options->inbox_messages;
  client->operations->allow(client->link, is_full(client, false) ? 0 : most - taken);
}

void hf_inbox_opened(hf_client *client) {
  if (holds_back(client)) allow(client);
}

void hf_inbox_held(hf_client *client) {
  hf_link_figures figures = {0};
  if (client->link) client->operations->figures(client->link, &figures);
  bool full = figures.held_messages > 0 || is_full(client, false);
  bool moves = client->consumed || client->held_messages == 0;
  client->consumed = false;
  client->held_messages = full ? figures.held_messages + figures.open : 0;
  if (moves) client->held_since = client->keeper->now;
  if (full) client->due[HF_DUE_HELD] = client->keeper->now + LOOK;
}

void hf_inbox_consumed(hf_client *client) {
  if (!client->link || !holds_back(client)) return;
  client->consumed = true;
  for (uint8_t qos = 1; qos <= 2; qos++)
    client->operations->acknowledge(client->link, qos, atomic_load(&client->begun[qos - 1]));
  allow(client);
}
