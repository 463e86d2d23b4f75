/* The handle of a client: arguments in, commands out. */
#include <stdatomic.h>

#include "keeper/keeper.h"
#include "keeper/lead.h"
#include "lua/handle.h"
#include "stream/tls_token.h"
#include "sys/memory.h"
#include "sys/thread.h"

#define CLIENT HF_LUA_CLIENT

typedef hf_lua_handle handle;

static hf_client *check(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, CLIENT);
  if (!h->client) luaL_error(L, "holdfast: this client has been collected");
  return h->client;
}

static int failure(lua_State *L, const char *message, const char *code) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, code);
  return 3;
}

static int forked(lua_State *L) {
  return failure(L, "this process is a fork of the one that made the client; make clients after the fork", "forked");
}

static int done(lua_State *L, bool sent) {
  if (!sent) return failure(L, "not enough memory", "out_of_memory");
  lua_pushboolean(L, 1);
  return 1;
}

static uint32_t unsigned_argument(lua_State *L, int index) {
  int64_t value;
  if (!hf_lua_toint64(L, index, &value) || value < 0 || value > UINT32_MAX)
    luaL_argerror(L, index, "a whole number from 0 to 4294967295 expected");
  return (uint32_t)value;
}

static hf_bytes bytes_argument(lua_State *L, int index) {
  hf_bytes bytes;
  bytes.data = luaL_checklstring(L, index, &bytes.length);
  return bytes;
}

static hf_bytes optional_bytes(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? (hf_bytes){NULL, 0} : bytes_argument(L, index);
}

static int identifier(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)hf_client_id(check(L)));
  return 1;
}

#define COMMAND(name, call)                                                                                            \
  static int name(lua_State *L) {                                                                                      \
    hf_client *client = check(L);                                                                                      \
    return hf_thread_forked() ? forked(L) : done(L, call);                                                             \
  }

COMMAND(start, hf_client_start(client))
COMMAND(wake, hf_client_wake(client))
COMMAND(reconnect, hf_client_reconnect(client))
COMMAND(network_changed, hf_client_network_changed(client))
COMMAND(withdraw, hf_client_withdraw(client, (uint64_t)luaL_checknumber(L, 2)))

static hf_farewell farewell_argument(lua_State *L, int at) {
  static const char *const words[] = {"without a word", "goodbye", "with the will", NULL};
  return (hf_farewell)luaL_checkoption(L, at, "goodbye", words);
}

/* close(milliseconds[, farewell]): "without a word", "goodbye" or "with the will" */
static int close_client(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  hf_client_close(client, lua_isnoneornil(L, 2) ? 0 : unsigned_argument(L, 2), farewell_argument(L, 3));
  hf_lead_hurry();
  return done(L, true);
}

/* goodbye(): however it ends, it will have been said. */
static int goodbye(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  hf_client_say(client, HF_FAREWELL_GOODBYE);
  return done(L, true);
}

static int refused(lua_State *L, hf_client *client, hf_admission admission) {
  hf_store_problem problem;
  switch (admission) {
  case HF_QUEUE_FULL:
    return failure(L, "the queue is full", "queue_full");
  case HF_TOO_LARGE:
    return failure(L, "the message is larger than the whole queue may be (queue.bytes)", "too_large");
  case HF_NOT_KEPT:
    hf_client_store_trouble(client, &problem);
    return failure(L, problem.text, hf_store_word(problem.code));
  case HF_CLIENT_IS_CLOSED:
    return failure(L, "the client is closed", "closed");
  case HF_ADMITTED:
  case HF_NO_MEMORY:
    break;
  }
  return failure(L, "not enough memory", "out_of_memory");
}

/* Whether a packet can be so long (MQTT 5 section 1.5.5), with a topic alias that a link may add. */
static bool fits_a_packet(hf_bytes topic, hf_bytes payload, const hf_properties *properties) {
  enum { MOST = 268435455, HEADER = 2 + 2 + 4, ALIAS = 3 };
  size_t more = properties ? hf_properties_publish_size(properties) + ALIAS : 0;
  return HEADER + topic.length + payload.length + more <= MOST;
}

/* post(topic, payload, qos, retain, properties, notify, ttl, age, priority): `notify` is false, true or "await"; ttl
 * (nil: none) and age (0) in ms; priority from 0 (nil) to 9 */
static int post(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  hf_bytes topic = bytes_argument(L, 2);
  hf_bytes payload = bytes_argument(L, 3);
  lua_Integer qos = luaL_checkinteger(L, 4);
  luaL_argcheck(L, qos >= 0 && qos <= 2, 4, "a QoS of 0, 1 or 2 expected");
  bool retain = lua_toboolean(L, 5), notify = lua_toboolean(L, 7), await = lua_type(L, 7) == LUA_TSTRING;
  int64_t ttl = lua_isnoneornil(L, 8) ? -1 : (int64_t)unsigned_argument(L, 8);
  int64_t age = lua_isnoneornil(L, 9) ? 0 : (int64_t)unsigned_argument(L, 9);
  uint32_t priority = lua_isnoneornil(L, 10) ? 0 : unsigned_argument(L, 10);
  luaL_argcheck(L, priority < HF_PRIORITIES, 10, "a priority from 0 to 9 expected");
  hf_properties given;
  const hf_properties *properties = hf_lua_check_properties(L, 6, "publish", &given);
  if (!fits_a_packet(topic, payload, properties))
    return failure(L, "with its properties the message is larger than a packet may be (MQTT 5 section 1.5.5)",
                   "too_large");
  hf_publish *publish = hf_publish_new_by(hf_large_block, topic, payload, properties);
  if (!publish) return refused(L, client, HF_NO_MEMORY);
  publish->qos = (uint8_t)qos;
  publish->priority = (uint8_t)priority;
  publish->retain = retain;
  publish->flags = (notify ? HF_PUBLISH_NOTIFY : 0u) | (await ? HF_PUBLISH_AWAITED : 0u);
  uint64_t id;
  hf_lead_posted();
  hf_admission admission = hf_client_post(client, publish, ttl, age, &id);
  if (admission != HF_ADMITTED) {
    hf_publish_free(publish);
    return refused(L, client, admission);
  }
  hf_lua_pushint64(L, (int64_t)id);
  return 1;
}

/* subscribe(wish, filter, qos, no_local, retain_as_published, retain_handling, identifier, properties) */
static int subscribe(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  uint32_t wish = unsigned_argument(L, 2);
  hf_bytes filter = bytes_argument(L, 3);
  hf_wish_options options = {.qos = (uint8_t)luaL_checkinteger(L, 4),
                             .no_local = lua_toboolean(L, 5),
                             .retain_as_published = lua_toboolean(L, 6),
                             .retain_handling = (uint8_t)luaL_optinteger(L, 7, 0),
                             .identifier = lua_isnoneornil(L, 8) ? 0 : unsigned_argument(L, 8)};
  luaL_argcheck(L, options.qos <= 2, 4, "a QoS of 0, 1 or 2 expected");
  luaL_argcheck(L, options.retain_handling <= 2, 7, "a retain handling of 0, 1 or 2 expected");
  hf_properties given;
  const hf_properties *properties = hf_lua_check_properties(L, 9, "subscribe", &given);
  return done(L, hf_client_subscribe(client, wish, filter, options, properties));
}

static int unsubscribe(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  hf_client_unsubscribe(client, unsigned_argument(L, 2));
  return done(L, true);
}

/* credentials(ticket, username, password, headers, proxy, server, first word of auth) or credentials(ticket, false,
 * why) */
static int credentials(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  uint32_t ticket = unsigned_argument(L, 2);
  if (lua_isboolean(L, 3))
    return done(L, hf_client_credentials(client, ticket, NULL, luaL_optstring(L, 4, "no credentials")));
  hf_given given;
  for (int i = 0; i < HF_GIVEN_PARTS; i++)
    given.of[i] = optional_bytes(L, 3 + i);
  return done(L, hf_client_credentials(client, ticket, &given, NULL));
}

/* authenticate(ticket, data, expected) or authenticate(ticket, false, why) */
static int authenticate(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  uint32_t ticket = unsigned_argument(L, 2);
  const hf_bytes nothing = {NULL, 0};
  if (lua_isboolean(L, 3))
    return done(L, hf_client_authenticate(client, ticket, nothing, nothing, luaL_checkstring(L, 4)));
  return done(L, hf_client_authenticate(client, ticket, optional_bytes(L, 3), optional_bytes(L, 4), NULL));
}

/* reauthenticate(ticket, data) */
static int reauthenticate(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  return done(L, hf_client_reauthenticate(client, unsigned_argument(L, 2), optional_bytes(L, 3)));
}

/* delay(ticket, milliseconds | false | nil) */
static int delay(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  uint32_t ticket = unsigned_argument(L, 2);
  if (lua_isnoneornil(L, 3)) return done(L, true); /* the built-in delay, which is running already */
  if (lua_isboolean(L, 3)) return done(L, hf_client_delay(client, ticket, -1));
  return done(L, hf_client_delay(client, ticket, (int64_t)unsigned_argument(L, 3)));
}

/* turn(ticket, milliseconds | nil) */
static int turn(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  uint32_t ticket = unsigned_argument(L, 2);
  return done(L, hf_client_turn(client, ticket, lua_isnoneornil(L, 3) ? -1 : (int64_t)unsigned_argument(L, 3)));
}

/* consumed(messages, bytes), for who has no receipts; of none it says whether the client can be spoken to. */
static int consumed(lua_State *L) {
  hf_client *client = check(L);
  if (hf_thread_forked()) return forked(L);
  hf_client_consumed(
      client, (hf_consumed){.messages = (size_t)luaL_checknumber(L, 2), .bytes = (size_t)luaL_checknumber(L, 3)});
  return 0;
}

static int unclaimed(lua_State *L) {
  hf_client_unclaimed(check(L));
  return 0;
}

static int answers(lua_State *L) {
  hf_client_answers(check(L), unsigned_argument(L, 2));
  return 0;
}

static int parked(lua_State *L) {
  hf_client_parked(check(L));
  return 0;
}

enum { CREDITS = 64 }; /* given back at once by a program that reads without ever waiting */

static void pay(hf_lua_debtor *debtor) {
  if (debtor->news) hf_client_consumed(debtor->client, debtor->consumed);
  debtor->consumed = (hf_consumed){0};
  debtor->news = 0;
}

void hf_lua_settle(hf_lua_debts *debts) {
  while (debts->debtors) {
    hf_lua_debtor *debtor = debts->debtors;
    debts->debtors = debtor->next;
    pay(debtor);
    debtor->client = NULL;
  }
}

/* True when the client owed nothing else: somebody must see to it that mailbox:settle() comes soon. */
static int owes(lua_State *L, handle *h, unsigned news) {
  hf_lua_debtor *debtor = &h->debtor;
  bool first = !debtor->client;
  debtor->news += news;
  if (first) {
    debtor->client = h->client;
    debtor->next = h->debts->debtors;
    h->debts->debtors = debtor;
  }
  if (debtor->news >= CREDITS) pay(debtor);
  lua_pushboolean(L, first);
  return 1;
}

static handle *check_handle(lua_State *L) {
  handle *h = hf_lua_checkudata(L, 1, CLIENT);
  if (!h->client) check(L);
  return h;
}

/* begun(receipt): the only taker of that message has it, though it is not done yet: the broker may be told so. A second
 * call means nothing. */
static int begun(lua_State *L) {
  handle *h = check_handle(L);
  if (hf_thread_forked()) return forked(L);
  const hf_owed *owed =
      hf_receipts_find(&h->debts->receipts, hf_client_id(h->client), (uint64_t)luaL_checknumber(L, 2));
  if (!owed || !owed->link) return 0;
  hf_client_begun(h->client, owed->qos, owed->link);
  return owes(L, h, 1);
}

/* Whether it was open. */
static bool close_receipt(handle *h, uint64_t number) {
  hf_owed owed;
  if (!hf_receipts_close(&h->debts->receipts, hf_client_id(h->client), number, &owed)) return false;
  hf_consumed *consumed = &h->debtor.consumed;
  bool flood = owed.qos == 0 && hf_client_holds_back(h->client);
  *(flood ? &consumed->flood_messages : &consumed->messages) += 1;
  *(flood ? &consumed->flood_bytes : &consumed->bytes) += owed.bytes;
  if (owed.link) hf_client_begun(h->client, owed.qos, owed.link);
  return true;
}

/* done(receipt[, now]): the last taker of that message is done with it; a second call means nothing. `now`: the keeper
 * hears of it at once, and not when all that owe settle up. */
static int done_with(lua_State *L) {
  handle *h = check_handle(L);
  if (hf_thread_forked()) return forked(L);
  if (!close_receipt(h, (uint64_t)luaL_checknumber(L, 2))) return 0;
  bool now = lua_toboolean(L, 3);
  int results = owes(L, h, 1);
  if (now) pay(&h->debtor);
  return results;
}

/* done_all(receipts, room, from, to): the same of those in the places from % room + 1 to to % room + 1 of an array;
 * what is below 0 there is none. */
static int done_with_all(lua_State *L) {
  handle *h = check_handle(L);
  if (hf_thread_forked()) return forked(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer room = luaL_checkinteger(L, 3), from = luaL_checkinteger(L, 4), to = luaL_checkinteger(L, 5);
  unsigned news = 0;
  for (lua_Integer at = from; at <= to; at++) {
    lua_rawgeti(L, 2, (int)(at % room + 1));
    lua_Number number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (number > 0 && close_receipt(h, (uint64_t)number)) news++;
  }
  return news > 0 ? owes(L, h, news) : 0;
}

static int status(lua_State *L) {
  hf_client *client = check(L);
  return hf_thread_forked() ? forked(L) : hf_lua_status(L, client);
}

static int history(lua_State *L) {
  hf_client *client = check(L);
  return hf_thread_forked() ? forked(L) : hf_lua_history(L, client);
}

static const char on_loss_key;

/* on_loss(fn | nil, words | nil): fn(messages, client_id) hears of each client that is collected with messages at
 * stake, from the collector, so it must not wait; what it throws is swallowed. The words are for those that nobody
 * collects, see parting.h */
static int on_loss(lua_State *L) {
  hf_parting_words(luaL_optstring(L, 2, NULL));
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &on_loss_key);
  return 0;
}

static void tell_loss(lua_State *L, hf_client *client) {
  size_t messages = hf_client_at_stake(client);
  if (!messages) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &on_loss_key);
  if (lua_isfunction(L, -1)) {
    hf_status status;
    hf_client_status(client, &status);
    lua_pushnumber(L, (lua_Number)messages);
    lua_pushstring(L, status.client_id);
    lua_pcall(L, 2, 0, 0);
  }
  lua_settop(L, 1);
}

static int collect(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, CLIENT);
  hf_client *client = h->client;
  h->client = NULL;
  if (client && !hf_thread_forked()) {
    hf_lua_settle(h->debts);
    hf_receipts_forget(&h->debts->receipts, hf_client_id(client));
    tell_loss(L, client);
    hf_parting_remove(&h->parting);
    hf_client_release(client);
    hf_lead_hurry();
  }
  return 0;
}

static const luaL_Reg methods[] = {{"id", identifier},
                                   {"start", start},
                                   {"post", post},
                                   {"withdraw", withdraw},
                                   {"subscribe", subscribe},
                                   {"unsubscribe", unsubscribe},
                                   {"wake", wake},
                                   {"reconnect", reconnect},
                                   {"network_changed", network_changed},
                                   {"credentials", credentials},
                                   {"authenticate", authenticate},
                                   {"reauthenticate", reauthenticate},
                                   {"delay", delay},
                                   {"turn", turn},
                                   {"consumed", consumed},
                                   {"unclaimed", unclaimed},
                                   {"parked", parked},
                                   {"answers", answers},
                                   {"status", status},
                                   {"history", history},
                                   {"close", close_client},
                                   {"goodbye", goodbye},
                                   {NULL, NULL}};

/* Of what is posted without one, in ms; below 0: none. */
static int64_t ttl_of(lua_State *L, int settings) {
  int64_t ttl = -1;
  lua_getfield(L, settings, "queue");
  if (lua_istable(L, -1) && hf_lua_getfield(L, -1, "ttl") != LUA_TNIL) ttl = (int64_t)unsigned_argument(L, -1);
  lua_settop(L, settings);
  return ttl;
}

static int lack_keeper(lua_State *L) {
  if (hf_thread_forked()) return forked(L);
  return failure(L, "there is no memory, thread or descriptor left for the keeper", "out_of_memory");
}

static bool by_token(const hf_link_tls *tls) {
  return (tls->cert && hf_tls_token_is(tls->cert)) || (tls->key && hf_tls_token_is(tls->key));
}

/* Paho's lock may be held through a name look-up, and a token signs when it likes to. */
static bool may_stall(const hf_client_options *options) {
  return options->transport == HF_TRANSPORT_PAHO || by_token(hf_options_tls(options)) || by_token(&options->proxy_tls);
}

/* client(settings) -> handle, or nil, message, "forked", "out_of_memory" or "store_..." */
static int new_client(lua_State *L) {
  static atomic_uint last_id; /* Lua states on other threads make clients too */
  luaL_checktype(L, 1, LUA_TTABLE);
  int64_t ttl = ttl_of(L, 1);
  hf_mailbox *mailbox = hf_lua_mailbox(L);
  hf_lua_debts *debts = hf_lua_debts_of(L);
  handle *h = hf_lua_newuserdata(L, sizeof *h);
  *h = (handle){.self = h, .debts = debts, .ttl = ttl};
  luaL_setmetatable(L, CLIENT);
  hf_keeper *keeper = hf_keeper_shared();
  if (!keeper) return lack_keeper(L);
  hf_client_options *options = hf_lua_settings(L, 1);
  hf_store_problem problem;
  if (may_stall(options)) hf_lead_never();
  h->client = hf_client_new(keeper, options, mailbox, atomic_fetch_add(&last_id, 1) + 1, &problem);
  if (!h->client) return failure(L, problem.text, hf_store_word(problem.code));
  hf_parting_add(&h->parting, h->client);
  return 1;
}

/* limit(attempts_per_second | nil, burst, ask): of all clients of this process; whether "turn" asks about each attempt
 */
static int limit(lua_State *L) {
  lua_Number per_second = lua_isnoneornil(L, 1) ? 0 : luaL_checknumber(L, 1);
  uint32_t burst = lua_isnoneornil(L, 2) ? 1 : unsigned_argument(L, 2);
  hf_keeper *keeper = hf_keeper_shared();
  if (!keeper) return lack_keeper(L);
  return done(L, hf_keeper_limit(keeper, per_second, burst, lua_toboolean(L, 3)));
}

void hf_lua_open_client(lua_State *L) {
  luaL_newmetatable(L, CLIENT);
  luaL_newlib(L, methods);
  hf_lua_setmethod(L, "begun", begun);
  hf_lua_setmethod(L, "done", done_with);
  hf_lua_setmethod(L, "done_all", done_with_all);
  hf_lua_plain_methods(L);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushcfunction(L, new_client);
  lua_setfield(L, -2, "client");
  hf_lua_open_plain(L);
  lua_pushcfunction(L, limit);
  lua_setfield(L, -2, "limit");
  lua_pushcfunction(L, on_loss);
  lua_setfield(L, -2, "on_loss");
}
