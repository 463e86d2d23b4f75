#include "keeper/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "core/message_block.h"
#include "keeper/door.h"
#include "keeper/inside.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "sys/clock.h"

typedef struct identifiers { /* of subscriptions, that came with a message */
  const uint32_t *of;
  size_t count;
} identifiers;

static identifiers identifiers_of(const hf_message *message) {
  if (message->identifier) return (identifiers){&message->identifier, 1};
  const hf_properties *properties = message->properties;
  return properties ? (identifiers){properties->subscription_identifiers, properties->subscription_identifier_count}
                    : (identifiers){NULL, 0};
}

/* What is wrong with a message, or NULL. Without a topic, be it that it counts on a topic alias, though we take none,
 * nobody can say whose it is. A session from before this process, or at another server, has subscriptions that we know
 * nothing of; one that began with us has not. */
static const char *violation(const hf_client *client, const hf_message *message) {
  if (message->topic.length == 0) return "PUBLISH without a topic";
  size_t count = identifiers_of(message).count;
  if (count > 0 && client->server->text == client->begun_at && count > hf_subscriptions_most(client->subscriptions))
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

/* False when memory is short: whose it is is not known, but of the first few. */
static bool find_wishes(hf_client *client, hf_message *message, identifiers named) {
  message->wishes = message->wishes_inline;
  message->wish_count = hf_subscriptions_match(client->subscriptions, message->topic, named.of, named.count,
                                               message->wishes_inline, HF_WISHES_INLINE);
  if (message->wish_count <= HF_WISHES_INLINE) return true;
  uint32_t *more = malloc(message->wish_count * sizeof *more);
  if (!more) return false;
  message->wishes = more;
  hf_subscriptions_match(client->subscriptions, message->topic, named.of, named.count, more, message->wish_count);
  return true;
}

/* What a message was sent with is shown, and the identifiers that the user has given; those of our own choice are not.
 */
static void hide_chosen(const hf_client *client, hf_message *message, identifiers named) {
  hf_properties *properties = message->properties;
  uint32_t *kept = (uint32_t *)(uintptr_t)named.of; /* in the message's own block */
  size_t count = 0;
  for (size_t i = 0; i < named.count; i++)
    if (!hf_subscriptions_chosen(client->subscriptions, kept[i])) kept[count++] = kept[i];
  if (!properties) {
    if (count == 0) message->identifier = 0;
    return;
  }
  properties->subscription_identifier_count = count;
  if (hf_properties_empty(properties)) message->properties = NULL;
}

/* The message before: one that is like it goes the same way, and is not looked up again. */
typedef struct former {
  const hf_message *message; /* NULL: none that others can be compared with */
  uint32_t identifier;       /* that it came with */
} former;

static bool is_like(const former *before, const hf_message *message) {
  if (!before->message || message->properties || message->identifier != before->identifier) return false;
  hf_bytes one = before->message->topic, other = message->topic;
  return one.length == other.length && (one.data == other.data || memcmp(one.data, other.data, one.length) == 0);
}

static bool address(hf_client *client, hf_message *message, former *before) {
  uint32_t identifier = message->identifier;
  if (is_like(before, message)) {
    memcpy(message->wishes_inline, before->message->wishes_inline, sizeof message->wishes_inline);
    message->wish_count = before->message->wish_count;
    message->identifier = before->message->identifier;
  } else {
    const identifiers named = identifiers_of(message);
    if (!find_wishes(client, message, named)) return false;
    hide_chosen(client, message, named);
  }
  bool simple = !message->properties && message->wishes == message->wishes_inline;
  *before = (former){simple ? message : NULL, identifier};
  return true;
}

/* In the order in which they came. Who waits here has its place in the inbox, which bounds them. */
void hf_inbox_pass_on(hf_client *client) {
  former before = {NULL, 0};
  hf_mail *first = client->waiting, *last = NULL;
  unsigned count = 0;
  for (hf_mail *mail = first; mail && address(client, (hf_message *)mail, &before); mail = mail->next) {
    last = mail;
    count++;
  }
  if (last) {
    client->waiting = last->next;
    hf_tell_mails(client, first, last, count);
  }
  if (client->waiting) client->due[HF_DUE_MEMORY] = client->keeper->now + ASK_AGAIN;
}

static void append(hf_client *client, hf_mail *mail) {
  mail->next = NULL;
  if (!client->waiting) client->last_waiting = &client->waiting;
  *client->last_waiting = mail;
  client->last_waiting = &mail->next;
}

/* Messages that are handed to Lua at once. */
typedef struct handful {
  size_t messages[2], bytes[2]; /* by account: the inbox, the flood */
  size_t dropped;
  int64_t came; /* us */
} handful;

static bool has_room(hf_client *client, const handful *one, bool flood) {
  size_t messages = atomic_load(flood ? &client->flood_messages : &client->inbox_messages);
  size_t bytes = atomic_load(flood ? &client->flood_bytes : &client->inbox_bytes);
  return messages + one->messages[flood] < client->options->inbox_messages &&
         bytes + one->bytes[flood] < client->options->inbox_bytes;
}

/* A few among many that were dropped must not keep the block of them all. */
static void move_out(hf_client *client) {
  hf_mail *mail = client->waiting;
  client->waiting = NULL;
  for (hf_mail *next; mail; mail = next) {
    next = mail->next;
    append(client, &hf_message_by_itself((hf_message *)mail)->mail);
  }
}

/* The counts come first: Lua may be done with a message as soon as it is told. */
static void hand_over(hf_client *client, const handful *one) {
  atomic_fetch_add(&client->inbox_messages, one->messages[false]);
  atomic_fetch_add(&client->inbox_bytes, one->bytes[false]);
  atomic_fetch_add(&client->flood_messages, one->messages[true]);
  atomic_fetch_add(&client->flood_bytes, one->bytes[true]);
  if (one->dropped > one->messages[false] + one->messages[true]) move_out(client);
  hf_inbox_pass_on(client);
  if (client->waiting) hf_client_dirty(client); /* its timer is new */
  if (one->messages[false] == 0 || !holds_back(client) || !is_full(client, false)) return;
  if (client->link) client->operations->allow(client->link, 0);
  if (client->due[HF_DUE_HELD] != HF_NEVER) return;
  client->due[HF_DUE_HELD] = client->keeper->now + LOOK;
  hf_client_dirty(client);
}

/* Whoever asks waits for it, and a flood of other messages must not drop it; but as many again is enough, whatever a
 * peer answers. */
static bool is_answer(hf_client *client, const hf_message *message, const handful *one) {
  uint32_t wish = (uint32_t)atomic_load(&client->answers), found[HF_WISHES_INLINE];
  size_t most = client->options->inbox_messages, bytes = client->options->inbox_bytes;
  bool flood = is_flood(client, message);
  size_t messages_now = atomic_load(flood ? &client->flood_messages : &client->inbox_messages) + one->messages[flood];
  size_t bytes_now = atomic_load(flood ? &client->flood_bytes : &client->inbox_bytes) + one->bytes[flood];
  if (wish == 0 || messages_now / 2 >= most || bytes_now / 2 >= bytes) return false;
  const identifiers named = identifiers_of(message);
  size_t count =
      hf_subscriptions_match(client->subscriptions, message->topic, named.of, named.count, found, HF_WISHES_INLINE);
  for (size_t i = 0; i < count && i < HF_WISHES_INLINE; i++)
    if (found[i] == wish) return true;
  return false;
}

static hf_inbox_verdict take_in(hf_client *client, hf_message *message, handful *one, const char **wrong) {
  if (client->finished || atomic_load_explicit(&client->quiet, memory_order_relaxed)) {
    hf_message_free(message);
    return HF_INBOX_WELL;
  }
  if (refused(client, message, wrong)) {
    hf_message_free(message);
    return *wrong ? HF_INBOX_VIOLATED : HF_INBOX_WELL;
  }
  bool flood = is_flood(client, message), over = !has_room(client, one, flood);
  if (over && message->qos == 0 && !is_answer(client, message, one)) {
    one->dropped++;
    hf_message_free(message);
    return HF_INBOX_WELL;
  }
  one->messages[flood]++;
  one->bytes[flood] += message->topic.length + message->payload.length;
  message->mail.kind = HF_EVENT_MESSAGE;
  message->came = one->came;
  append(client, &message->mail);
  bool must_leave = over && message->qos > 0 && !holds_back(client);
  return must_leave && client->connected ? HF_INBOX_FULL : HF_INBOX_WELL;
}

/* A message has been acknowledged, perhaps, and must be accounted for, whatever has become of its connection. */
hf_inbox_verdict hf_inbox_messages(hf_client *client, hf_mail **mails, size_t *count, const char **wrong) {
  hf_inbox_verdict verdict = HF_INBOX_WELL;
  handful one = {.came = hf_clock_us()};
  size_t received = 0;
  hf_mail *mail = *mails;
  while (verdict == HF_INBOX_WELL && mail && mail->kind == HF_LINK_MESSAGE && mail->owner == client) {
    hf_mail *next = mail->next;
    verdict = take_in(client, (hf_message *)mail, &one, wrong);
    received++;
    mail = next;
  }
  *mails = mail;
  *count += received;
  HF_COUNT(client, received, received);
  if (one.dropped > 0) HF_COUNT(client, inbox_dropped, one.dropped);
  if (client->waiting) hand_over(client, &one);
  return verdict;
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
