#include "keeper/inside.h"

#include <stdlib.h>

/* Messages on their way to Lua. A link that can hold an acknowledgement back is allowed as many as find room, and keeps
 * the rest; one that cannot is left when there is no room. */

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

/* Whether it was one that nobody is given, and has been freed. */
static bool refused(hf_client *client, hf_message *message) {
  bool current = client->connected && message->mail.generation == client->generation;
  const char *wrong = violation(client, message);
  if (!wrong || (!current && message->topic.length > 0)) return false;
  hf_message_free(message);
  if (current) hf_driver_lose(client, HF_CLIENT_PROTOCOL_ERROR, wrong);
  return true;
}

enum { LOOK = 1000 }; /* ms between two looks at what is not acknowledged while there is no room */

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

static void find_wishes(hf_client *client, hf_message *message) {
  const hf_properties *properties = message->properties;
  const uint32_t *identifiers = properties ? properties->subscription_identifiers : NULL;
  size_t identifier_count = properties ? properties->subscription_identifier_count : 0;
  message->wishes = message->wishes_inline;
  message->wish_count = hf_subscriptions_match(client->subscriptions, message->topic, identifiers, identifier_count,
                                               message->wishes_inline, 4);
  if (message->wish_count <= 4) return;
  uint32_t *more = malloc(message->wish_count * sizeof *more);
  if (more) {
    message->wishes = more;
    hf_subscriptions_match(client->subscriptions, message->topic, identifiers, identifier_count, more,
                           message->wish_count);
  } else {
    message->wish_count = 4;
  }
}

/* The link acknowledges whatever it hands over, so the only way not to be given more than Lua can take is to be away:
 * the broker's session keeps the rest, and Receive Maximum bounds what is on its way. */
static void step_away(hf_client *client) {
  atomic_store(&client->held, true);
  hf_engine_event event = {.input = HF_INPUT_HOLD,
                           .reason = hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_SLOW_CONSUMER),
                           .code = HF_CLIENT_SLOW_CONSUMER};
  hf_driver_step(client, event, NULL);
  hf_client_consumed(client, (hf_consumed){0}); /* Lua may have drained between the look and the flag */
}

void hf_inbox_message(hf_client *client, hf_message *message) {
  size_t bytes = message->topic.length + message->payload.length;
  HF_COUNT(client, received, 1);
  if (client->finished || atomic_load_explicit(&client->quiet, memory_order_relaxed)) {
    hf_message_free(message);
    return;
  }
  if (refused(client, message)) return;
  bool flood = is_flood(client, message), over = is_full(client, flood);
  if (over && message->qos == 0) {
    HF_COUNT(client, inbox_dropped, 1);
    hf_message_free(message);
    return;
  }
  find_wishes(client, message);
  message->mail.kind = HF_EVENT_MESSAGE;
  atomic_fetch_add(flood ? &client->flood_messages : &client->inbox_messages, 1);
  atomic_fetch_add(flood ? &client->flood_bytes : &client->inbox_bytes, bytes);
  hf_tell_mail(client, &message->mail);
  if (flood) return;
  if (holds_back(client)) {
    if (!is_full(client, false)) return;
    if (client->link) client->operations->allow(client->link, 0);
    if (client->due[HF_DUE_HELD] != HF_NEVER) return;
    client->due[HF_DUE_HELD] = client->keeper->now + LOOK;
    hf_driver_dirty(client);
  } else if (over && client->connected) {
    step_away(client);
  }
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
