#include "keeper/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "keeper/command.h"
#include "keeper/door.h"
#include "keeper/handle.h"
#include "keeper/inside.h"
#include "keeper/keeping.h"
#include "keeper/snapshot.h"
#include "stream/saslprep.h"
#include "stream/tls.h"
#include "sys/clock.h"
#include "sys/library.h"

static bool needs_openssl(const hf_client_options *options) {
  bool needs = options->redirect_allow != NULL || options->ask_proxy || options->ask_server; /* to wherever */
  needs = needs || options->auth.hash != HF_SCRAM_NONE;
  needs = needs || (options->proxy && options->proxy->tls) || (options->proxy_secure && options->proxy_secure->tls);
  for (size_t i = 0; !needs && i < options->engine.server_count; i++)
    needs = options->servers[i].tls || options->servers[i].road == HF_ROAD_WEBSOCKET;
  return needs;
}

static bool needs_saslprep(const hf_auth_options *auth) {
  bool is_scram = auth->hash != HF_SCRAM_NONE;
  return is_scram && (hf_saslprep_needs_library(auth->username) || hf_saslprep_needs_library(auth->password));
}

static bool load_libraries(const hf_client *client, hf_store_problem *problem) {
  char missing[HF_LIBRARY_PROBLEM];
  const char *what = client->operations->name;
  bool there = !client->operations->load || client->operations->load(missing);
  if (there && needs_openssl(client->options)) {
    what = "OpenSSL";
    there = hf_tls_load(missing);
  }
  if (there && needs_saslprep(&client->options->auth)) {
    what = "libidn, for a name or password of SCRAM that is not ASCII,";
    there = hf_saslprep_load(missing);
  }
  if (there) return true;
  problem->code = HF_STORE_NO_LIBRARY;
  snprintf(problem->text, sizeof problem->text, "%s cannot be loaded: %s", what, missing);
  return false;
}

hf_client *hf_client_new(hf_keeper *keeper, hf_client_options *options, hf_mailbox *mailbox, uint32_t id,
                         hf_store_problem *problem) {
  hf_client *client = calloc(1, sizeof *client);
  hf_subscriptions *subscriptions = hf_subscriptions_new();
  bool paired = options->engine.pairs != 0;
  hf_attempt_beside *besides = paired ? hf_options_allocate(options, HF_HISTORY * sizeof *besides) : NULL;
  if (!client || !subscriptions || (paired && !besides)) {
    free(client);
    hf_subscriptions_free(subscriptions);
    hf_options_free(options);
    problem->code = HF_STORE_NO_MEMORY;
    snprintf(problem->text, sizeof problem->text, "not enough memory for a client");
    return NULL;
  }
  client->keeper = keeper;
  client->options = options;
  client->besides = besides;
  client->operations = keeper->links.of[options->transport];
  client->out = hf_mailbox_hold(mailbox);
  client->id = id;
  client->subscriptions = subscriptions;
  client->protocol = options->protocol;
  hf_deadlines_init(client);
  hf_index_init(&client->outbox.all);
  hf_list_init(&client->outbox.ages);
  client->outbox.breath_until = HF_NEVER;
  atomic_init(&client->references, 2);
  atomic_init(&client->next_publish, 1);
  atomic_init(&client->close_within, UINT32_MAX);
  atomic_init(&client->farewell, HF_FAREWELL_NONE);
  pthread_mutex_init(&client->lock, NULL);
  hf_ring_init(&client->history, client->records, sizeof client->records[0], HF_HISTORY);
  client->server = &options->servers[0];
  client->snapshot.server = client->server->text;
  client->snapshot.deadline = INT64_MAX;
  client->down_since = client->snapshot.down_since = client->snapshot.queued_since = INT64_MAX;
  client->snapshot.protocol = options->protocol;
  client->snapshot.transport = options->transport;
  client->snapshot.keep_alive = options->keep_alive;
  client->snapshot.session_expiry = options->session_expiry;
  strncpy(client->snapshot.client_id, options->client_id, sizeof client->snapshot.client_id - 1);
  uint64_t seed = keeper->seeds + id;
  hf_engine_init(&client->engine, &options->engine, hf_random_next(&seed), hf_clock_ms());
  client->outbox.trial.random = hf_random_next(&seed);
  client->snapshot.since = client->engine.since;
  hf_client_total++;
  hf_client_living++;
  if (load_libraries(client, problem) && hf_keeping_begin(client, problem)) return client;
  hf_client_free(client);
  return NULL;
}

static hf_bytes put(char **at, hf_bytes from) {
  if (!from.data) return from;
  hf_bytes kept = {*at, from.length};
  memcpy(*at, from.data, from.length);
  *at += from.length + 1;
  return kept;
}

static hf_command *make_with(hf_client *client, enum hf_command_kind kind, const hf_given *given) {
  size_t length = 0;
  for (size_t i = 0; i < HF_GIVEN_PARTS; i++)
    length += given->of[i].length + 1;
  hf_command *command = calloc(1, sizeof *command + length);
  if (!command) return NULL;
  command->mail.owner = hf_client_hold(client);
  command->mail.kind = (uint16_t)kind;
  char *at = command->data;
  for (size_t i = 0; i < HF_GIVEN_PARTS; i++)
    command->given.of[i] = put(&at, given->of[i]);
  return command;
}

static void send(hf_client *client, hf_mail *mail) {
  hf_posting_over(client);
  hf_mailbox_push(hf_keeper_inbox(client->keeper), mail);
}

static bool post(hf_command *command) {
  if (!command) return false;
  send(command->mail.owner, &command->mail);
  return true;
}

static bool simple(hf_client *client, enum hf_command_kind kind, uint32_t wish, uint64_t id, int64_t number) {
  hf_command *command = make_with(client, kind, &(const hf_given){0});
  if (command) {
    command->wish = wish;
    command->id = id;
    command->number = number;
  }
  return post(command);
}

bool hf_client_start(hf_client *client) {
  return simple(client, HF_COMMAND_START, 0, 0, 0);
}

void hf_client_say(hf_client *client, hf_farewell farewell) {
  uint_fast32_t said = atomic_load(&client->farewell);
  while (farewell > said && !atomic_compare_exchange_weak(&client->farewell, &said, farewell))
    ;
}

void hf_client_close(hf_client *client, uint32_t timeout, hf_farewell farewell) {
  hf_client_say(client, farewell);
  uint_fast32_t least = atomic_load(&client->close_within);
  while (timeout < least && !atomic_compare_exchange_weak(&client->close_within, &least, timeout))
    ;
  atomic_store(&client->closed, true);
  if (timeout == 0 && client->store) hf_store_leaving(client->store);
  if (timeout == 0 && !atomic_load(&client->quiet)) hf_client_gone(client); /* who is collected is, with its memory */
  hf_client_signal(client, HF_SIGNAL_CLOSE);
}

void hf_client_look(hf_client *client) {
  hf_client_signal(client, HF_SIGNAL_LOOK);
}

void hf_client_release(hf_client *client) {
  atomic_store(&client->quiet, true);
  hf_posting_over(client);
  hf_client_close(client, 0, HF_FAREWELL_NONE);
  hf_client_drop(client);
}

bool hf_client_wake(hf_client *client) {
  return simple(client, HF_COMMAND_WAKE, 0, 0, 0);
}

bool hf_client_reconnect(hf_client *client) {
  return simple(client, HF_COMMAND_RECONNECT, 0, 0, 0);
}

bool hf_client_network_changed(hf_client *client) {
  return simple(client, HF_COMMAND_NETWORK_CHANGED, 0, 0, 0);
}

static void send_wishing(hf_client *client, hf_wishing *wishing, enum hf_command_kind kind, uint32_t number) {
  wishing->mail = (hf_mail){.owner = hf_client_hold(client), .kind = (uint16_t)kind};
  wishing->number = number;
  send(client, &wishing->mail);
}

/* All that a wish will need is had before there is one: its place, its first verdict, its end. */
bool hf_client_subscribe(hf_client *client, uint32_t wish, hf_bytes filter, hf_wish_options options,
                         const hf_properties *properties) {
  hf_wishing *wishing = calloc(1, sizeof *wishing), *removal = calloc(1, sizeof *removal);
  hf_wish *made = hf_wish_new(filter, options, properties);
  hf_event *verdict = calloc(1, sizeof *verdict);
  if (!wishing || !removal || !made || !verdict) {
    free(wishing);
    free(removal);
    hf_wish_free(made);
    free(verdict);
    return false;
  }
  removal->mail.next = client->removals ? &client->removals->mail : NULL;
  client->removals = removal;
  hf_wish_owe(made, &verdict->mail);
  wishing->wish = made;
  send_wishing(client, wishing, HF_COMMAND_SUBSCRIBE, wish);
  return true;
}

void hf_client_unsubscribe(hf_client *client, uint32_t wish) {
  hf_wishing *removal = client->removals;
  if (!removal) return;
  client->removals = (hf_wishing *)removal->mail.next;
  send_wishing(client, removal, HF_COMMAND_UNSUBSCRIBE, wish);
}

bool hf_client_withdraw(hf_client *client, uint64_t publish) {
  hf_event *event = calloc(1, sizeof *event);
  if (!event) return false;
  event->mail.owner = hf_client_hold(client);
  event->mail.kind = HF_COMMAND_WITHDRAW;
  event->id = publish;
  send(client, &event->mail);
  return true;
}

bool hf_client_credentials(hf_client *client, uint32_t ticket, const hf_given *given, const char *failure) {
  const hf_given words = {{{failure, failure ? strlen(failure) : 0}}};
  hf_command *command = make_with(client, HF_COMMAND_CREDENTIALS, failure ? &words : given);
  if (command) {
    command->wish = ticket;
    command->failed = failure != NULL;
  }
  return post(command);
}

static bool send_words(hf_client *client, enum hf_command_kind kind, uint32_t ticket, hf_bytes first, hf_bytes second,
                       bool failed) {
  const hf_given words = {{first, second}};
  hf_command *command = make_with(client, kind, &words);
  if (command) {
    command->wish = ticket;
    command->failed = failed;
  }
  return post(command);
}

bool hf_client_authenticate(hf_client *client, uint32_t ticket, hf_bytes data, hf_bytes expected, const char *failure) {
  if (failure) data = (hf_bytes){failure, strlen(failure)};
  return send_words(client, HF_COMMAND_AUTHENTICATE, ticket, data, expected, failure != NULL);
}

bool hf_client_reauthenticate(hf_client *client, uint32_t ticket, hf_bytes data) {
  hf_event *answer = calloc(1, sizeof *answer);
  hf_command *command = answer ? make_with(client, HF_COMMAND_REAUTHENTICATE, &(hf_given){{data}}) : NULL;
  if (!command) {
    free(answer);
    return false;
  }
  answer->ticket = ticket;
  command->answer = answer;
  return post(command);
}

bool hf_client_delay(hf_client *client, uint32_t ticket, int64_t delay) {
  return simple(client, HF_COMMAND_DELAY, ticket, 0, delay);
}

bool hf_client_turn(hf_client *client, uint32_t ticket, int64_t wait) {
  return simple(client, HF_COMMAND_TURN, ticket, 0, wait);
}

bool hf_client_holds_back(const hf_client *client) {
  return client->operations->allow != NULL;
}

bool hf_client_expect(hf_client *client, uint8_t qos, uint64_t receipt) {
  return hf_begun_expect(&client->marks[qos - 1], receipt);
}

void hf_client_begun(hf_client *client, uint8_t qos, uint64_t receipt) {
  hf_begun_mark(&client->marks[qos - 1], receipt);
}

static void settle_up(hf_client *client, hf_consumed consumed) {
  atomic_fetch_sub(&client->flood_messages, consumed.flood_messages);
  atomic_fetch_sub(&client->flood_bytes, consumed.flood_bytes);
  bool news = consumed.messages > 0;
  for (size_t i = 0; i < 2; i++) {
    news = news || atomic_load_explicit(&client->begun[i], memory_order_relaxed) != client->marks[i].upto;
    atomic_store(&client->begun[i], client->marks[i].upto);
  }
  if (news) hf_client_signal(client, HF_SIGNAL_CONSUMED);
}

void hf_client_unclaimed(hf_client *client) {
  HF_COUNT(client, unclaimed, 1);
}

void hf_client_answers(hf_client *client, uint32_t wish) {
  atomic_store(&client->answers, wish);
}

void hf_client_parked(hf_client *client) {
  HF_COUNT(client, parked, 1);
}

void hf_client_consumed(hf_client *client, hf_consumed consumed) {
  size_t before_messages = atomic_fetch_sub(&client->inbox_messages, consumed.messages);
  size_t before_bytes = atomic_fetch_sub(&client->inbox_bytes, consumed.bytes);
  if (hf_client_holds_back(client)) {
    settle_up(client, consumed);
    return;
  }
  if (!atomic_load_explicit(&client->held, memory_order_acquire)) return;
  /* Half is far enough from the mark that the client does not step away again at once. */
  if (before_messages - consumed.messages <= client->options->inbox_messages / 2 &&
      before_bytes - consumed.bytes <= client->options->inbox_bytes / 2 && atomic_exchange(&client->held, false))
    hf_client_signal(client, HF_SIGNAL_RELEASE);
}
