/* native_probe: our own link over a scripted stream, on virtual time, as the Lua module `native_probe`.
 *
 *   local link = probe.create()
 *   link:open { protocol = 5, session_expiry = 60 }
 *   link:opened(); link:feed "\32\3\0\0\0"; link:run(1000)   -- the stream opens, bytes come, so many ms pass
 *   link:take(); link:written()               -- the next mail as a table | nil; the bytes that have gone out
 *
 * The Lua thread plays the keeper and the broker. A publish that came back as lost waits for link:again. What a link
 * may never do ends the process by abort(3): telling something from within a call that it makes, twice giving back a
 * publish, receipts that do not rise by one.
 */
#include <stdlib.h>
#include <string.h>

#include "link/native_link.h"
#include "lua/compat.h"

#include "famine.h"
#include "link_arguments.h"
#include "link_mail.h"
#include "scripted_stream.h"

static const char *const class_name = "native_probe.link";

enum { PEERS = 64 };

typedef struct hf_probe {
  hf_link *link;
  hf_mail *first, **last; /* told, and not taken yet */
  hf_publish *returned;   /* as lost: for link:again */
  hf_store *store;        /* NULL unless resumed */
  hf_scripted *peers[PEERS];
  size_t peer_count;
  size_t lent;
  uint64_t receipts[2];
  uint32_t generation;
  bool destroyed;
} hf_probe;

static hf_loop loop;

static hf_probe *check(lua_State *L) {
  return luaL_checkudata(L, 1, class_name);
}

static hf_link *link_of(lua_State *L) {
  hf_probe *probe = check(L);
  luaL_argcheck(L, probe->link, 1, "destroyed");
  return probe->link;
}

static void must(bool kept) {
  if (!kept) abort();
}

static void deliver(void *context, hf_mail *mail) {
  hf_probe *probe = context;
  must(mail->owner == probe && !probe->destroyed);
  if (mail->kind == HF_LINK_DELIVERED) {
    must(probe->lent > 0);
    probe->lent--;
  }
  if (mail->kind == HF_LINK_MESSAGE) {
    const hf_message *message = (const hf_message *)mail;
    if (message->qos > 0) must(message->receipt == ++probe->receipts[message->qos - 1]);
  }
  mail->next = NULL;
  *probe->last = mail;
  probe->last = &mail->next;
}

static int create(lua_State *L) {
  hf_probe *probe = hf_lua_newuserdata(L, sizeof *probe);
  *probe = (hf_probe){0};
  probe->last = &probe->first;
  luaL_setmetatable(L, class_name);
  hf_link_native.begin(&loop);
  hf_native_use_streams(hf_scripted_open);
  probe->link = hf_link_native.create((hf_link_sink){deliver, probe, probe});
  if (!probe->link) return 0;
  hf_link_native.allow(probe->link, SIZE_MAX);
  return 1;
}

/* ---- operations ---- */

static void none_was_kept(void *context, hf_publish *publish) {
  (void)context;
  hf_publish_free(publish);
}

/* link:resume(path, client id): before the first `open`; the store, in which nothing is queued, is let go when the link
 * is destroyed. */
static int resume(lua_State *L) {
  hf_link *link = link_of(L);
  hf_probe *probe = check(L);
  const char *client_id = luaL_checkstring(L, 3);
  hf_store_problem problem;
  probe->store = hf_store_open(luaL_checkstring(L, 2), client_id, &problem);
  if (!probe->store || !hf_store_read(probe->store, none_was_kept, NULL, &problem))
    return luaL_error(L, "%s", problem.text);
  hf_link_native.resume(link, probe->store, client_id, NULL);
  return 0;
}

static int open_link(lua_State *L) {
  hf_link *link = link_of(L);
  hf_probe *probe = check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  hf_link_attempt attempt = {
      .host = "broker",
      .port = 1883,
      .client_id = text_field(L, 2, "client_id", "probe"),
      .username = bytes_field(L, 2, "username"),
      .password = bytes_field(L, 2, "password"),
      .session_expiry = number_field(L, 2, "session_expiry", 0),
      .maximum_packet_size = number_field(L, 2, "maximum_packet_size", 0),
      .keep_alive = (uint16_t)number_field(L, 2, "keep_alive", 0),
      .ask_after = number_field(L, 2, "ask_after", 0),
      .dead_after = number_field(L, 2, "dead_after", 0),
      .hold_bytes = number_field(L, 2, "hold_bytes", 0),
      .receive_maximum = (uint16_t)number_field(L, 2, "receive_maximum", 65535),
      .protocol = (uint8_t)number_field(L, 2, "protocol", 5),
      .clean_start = flag_field(L, 2, "clean_start"),
  };
  bool begun = hf_link_native.open(link, ++probe->generation, &attempt);
  for (hf_scripted *peer; probe->peer_count < PEERS && (peer = hf_scripted_next()) != NULL;)
    probe->peers[probe->peer_count++] = peer;
  if (begun)
    lua_pushinteger(L, (lua_Integer)probe->generation);
  else
    lua_pushnil(L);
  return 1;
}

static int abandon(lua_State *L) {
  hf_link_native.abandon(link_of(L));
  return 0;
}

static bool lend(hf_probe *probe, hf_publish *publish) {
  probe->lent++;
  if (hf_link_native.publish(probe->link, publish)) return true;
  probe->lent--;
  return false;
}

/* link:publish(id, topic, payload[, qos[, retain]]) -> whether the link took it; nil: no memory for it */
static int publish(lua_State *L) {
  hf_bytes topic, payload;
  link_of(L);
  topic.data = luaL_checklstring(L, 3, &topic.length);
  payload.data = luaL_checklstring(L, 4, &payload.length);
  hf_publish *given = hf_publish_new(topic, payload, NULL);
  if (!given) return 0;
  given->id = (uint64_t)luaL_checkinteger(L, 2);
  given->qos = (uint8_t)luaL_optinteger(L, 5, 0);
  given->retain = lua_toboolean(L, 6);
  bool taken = lend(check(L), given);
  if (!taken) hf_publish_free(given);
  lua_pushboolean(L, taken);
  return 1;
}

/* link:again(id) -> whether the link took once more what came back as lost */
static int again(lua_State *L) {
  hf_probe *probe = check(L);
  uint64_t id = (uint64_t)luaL_checkinteger(L, 2);
  hf_publish **at = &probe->returned;
  while (*at && (*at)->id != id)
    at = (hf_publish **)(void *)&(*at)->mail.next;
  hf_publish *given = *at;
  luaL_argcheck(L, given, 2, "has not come back as lost");
  hf_publish *next = (hf_publish *)given->mail.next;
  bool taken = lend(probe, given);
  if (taken) *at = next;
  lua_pushboolean(L, taken);
  return 1;
}

/* link:subscribe(ticket, filter), link:unsubscribe(ticket, filter) */
static int ask(lua_State *L, bool subscribe) {
  hf_link *link = link_of(L);
  hf_subscription_request request = {.ticket = (uint32_t)luaL_checkinteger(L, 2), .subscribe = subscribe};
  request.filter.data = luaL_checklstring(L, 3, &request.filter.length);
  lua_pushboolean(L, (subscribe ? hf_link_native.subscribe : hf_link_native.unsubscribe)(link, &request));
  return 1;
}

static int subscribe(lua_State *L) {
  return ask(L, true);
}

static int unsubscribe(lua_State *L) {
  return ask(L, false);
}

static int probe_broker(lua_State *L) {
  lua_pushboolean(L, hf_link_native.probe(link_of(L), (uint32_t)luaL_checkinteger(L, 2)));
  return 1;
}

/* link:close([reason code[, session expiry[, timeout]]]) */
static int close_link(lua_State *L) {
  hf_link_native.close(link_of(L), (uint8_t)luaL_optinteger(L, 2, 0), (int64_t)luaL_optnumber(L, 3, -1),
                       (uint32_t)luaL_optinteger(L, 4, 1000));
  return 0;
}

static int allow(lua_State *L) {
  hf_link_native.allow(link_of(L), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int acknowledge(lua_State *L) {
  hf_link_native.acknowledge(link_of(L), (uint8_t)luaL_checkinteger(L, 2), (uint64_t)luaL_checknumber(L, 3));
  return 0;
}

static int figures(lua_State *L) {
  hf_link_figures now;
  hf_link_native.figures(link_of(L), &now);
  lua_newtable(L);
  set_number(L, "progress", (lua_Number)now.progress);
  set_number(L, "forgotten", (lua_Number)now.forgotten);
  set_number(L, "dropped", (lua_Number)now.dropped);
  set_number(L, "held_messages", (lua_Number)now.held_messages);
  set_number(L, "held_bytes", (lua_Number)now.held_bytes);
  set_number(L, "open", (lua_Number)now.open);
  return 1;
}

static int destroy(lua_State *L) {
  hf_probe *probe = check(L);
  if (!probe->link) return 0;
  hf_link_native.destroy(probe->link);
  hf_store_free(probe->store);
  probe->store = NULL;
  probe->link = NULL;
  probe->destroyed = true;
  must(probe->lent == 0);
  return 0;
}

/* ---- time ---- */

static void turn(void) {
  hf_loop_fire(&loop);
  for (int most = 1000000; hf_loop_run(&loop);)
    must(most-- > 0); /* tasks that ask for one another without end */
  loop.late = false;
}

/* link:run([ms]): lets so much time pass, and all happen that is due meanwhile */
static int run(lua_State *L) {
  int64_t until = loop.now + (int64_t)luaL_optnumber(L, 2, 0);
  turn();
  for (int64_t due; (due = hf_loop_due(&loop)) <= until;) {
    if (due > loop.now) loop.now = due;
    turn();
  }
  loop.now = until;
  return 0;
}

/* link:sleep(ms): time passes in which the process does not run */
static int sleep_on(lua_State *L) {
  loop.now += (int64_t)luaL_checknumber(L, 2);
  loop.late = true;
  turn();
  return 0;
}

static int now(lua_State *L) {
  hf_lua_pushint64(L, loop.now);
  return 1;
}

/* ---- mails ---- */

/* link:take() -> the next mail | nil; also after destroy */
static int take(lua_State *L) {
  hf_probe *probe = check(L);
  hf_mail *mail = probe->first;
  if (!mail) return 0;
  probe->first = mail->next;
  if (!probe->first) probe->last = &probe->first;
  hf_link_mail_show(L, mail, probe);
  if (mail->kind == HF_LINK_FAILED || mail->kind == HF_LINK_DOWN)
    set_flag(L, "about_publish", ((hf_link_down *)mail)->about_publish);
  hf_publish *lost = mail->kind == HF_LINK_DELIVERED ? (hf_publish *)mail : NULL;
  if (lost && lost->result == HF_LINK_RESULT_LOST) {
    mail->next = probe->returned ? &probe->returned->mail : NULL;
    probe->returned = lost;
  } else {
    hf_link_mail_free(mail);
  }
  return 1;
}

static int lent(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->lent);
  return 1;
}

/* ---- the broker's end; of the newest stream unless told which ---- */

static hf_scripted *peer_of(lua_State *L, int index) {
  hf_probe *probe = check(L);
  size_t which = (size_t)luaL_optinteger(L, index, (lua_Integer)probe->peer_count);
  luaL_argcheck(L, which > 0 && which <= probe->peer_count, index, "no such stream");
  return probe->peers[which - 1];
}

static int opened(lua_State *L) {
  hf_scripted_connect(peer_of(L, 2));
  return 0;
}

static int feed(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  hf_scripted_feed(peer_of(L, 3), bytes, length);
  return 0;
}

static int piece(lua_State *L) {
  hf_scripted_piece(peer_of(L, 3), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int written(lua_State *L) {
  luaL_Buffer bytes;
  hf_scripted *peer = peer_of(L, 2);
  luaL_buffinit(L, &bytes);
  char some[1024];
  for (size_t got; (got = hf_scripted_take(peer, some, sizeof some)) > 0;)
    luaL_addlstring(&bytes, some, got);
  luaL_pushresult(&bytes);
  return 1;
}

static int writes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)hf_scripted_writes(peer_of(L, 2)));
  return 1;
}

/* link:accept([count]): so many bytes will be accepted from now on; any */
static int accept_bytes(lua_State *L) {
  hf_scripted_allow(peer_of(L, 3), lua_isnoneornil(L, 2) ? SIZE_MAX : (size_t)luaL_checkinteger(L, 2));
  return 0;
}

/* link:finish([code of a network reason]): the stream ends, in good order or for that */
static int finish(lua_State *L) {
  const hf_reason *reason =
      lua_isnoneornil(L, 2) ? NULL : hf_reason_find(HF_SOURCE_NETWORK, (int)luaL_checkinteger(L, 2));
  hf_scripted_end(peer_of(L, 3), reason, NULL);
  return 0;
}

static int hold_back(lua_State *L) {
  hf_scripted_hold_back(peer_of(L, 3), lua_toboolean(L, 2));
  return 0;
}

static int quiet(lua_State *L) { /* link:quiet(ms, probing) */
  hf_scripted_quiet(peer_of(L, 4), (int64_t)luaL_checknumber(L, 2), lua_toboolean(L, 3));
  return 0;
}

/* link:stream() -> "stays", "leaves", "left" or "aborted", patience of its leave in ms */
static int stream(lua_State *L) {
  static const char *const how[] = {"stays", "leaves", "left", "aborted"};
  const hf_scripted *peer = peer_of(L, 2);
  lua_pushstring(L, how[hf_scripted_how_left(peer)]);
  lua_pushinteger(L, (lua_Integer)hf_scripted_patience(peer));
  return 2;
}

static int is_read(lua_State *L) { /* whether what the peer sends is looked at */
  lua_pushboolean(L, hf_scripted_attended(peer_of(L, 2)));
  return 1;
}

static int collect(lua_State *L) {
  hf_probe *probe = check(L);
  destroy(L);
  for (hf_mail *mail; (mail = probe->first);) {
    probe->first = mail->next;
    hf_link_mail_free(mail);
  }
  for (hf_publish *one; (one = probe->returned);) {
    probe->returned = (hf_publish *)one->mail.next;
    hf_publish_free(one);
  }
  for (size_t i = 0; i < probe->peer_count; i++)
    hf_scripted_free(probe->peers[i]);
  probe->peer_count = 0;
  probe->last = &probe->first;
  return 0;
}

/* starve(n): the n-th request for memory from now on fails, 0: none -> whether the one before did */
static int starve(lua_State *L) {
  lua_pushboolean(L, famine_has_failed());
  famine_fail((long)luaL_checkinteger(L, 1));
  return 1;
}

int luaopen_native_probe(lua_State *L);

int luaopen_native_probe(lua_State *L) {
  static const luaL_Reg methods[] = {{"open", open_link},      {"abandon", abandon},
                                     {"publish", publish},     {"again", again},
                                     {"subscribe", subscribe}, {"unsubscribe", unsubscribe},
                                     {"probe", probe_broker},  {"close", close_link},
                                     {"allow", allow},         {"acknowledge", acknowledge},
                                     {"figures", figures},     {"destroy", destroy},
                                     {"resume", resume},       {"run", run},
                                     {"sleep", sleep_on},      {"now", now},
                                     {"take", take},           {"lent", lent},
                                     {"opened", opened},       {"feed", feed},
                                     {"piece", piece},         {"written", written},
                                     {"writes", writes},       {"accept", accept_bytes},
                                     {"finish", finish},       {"hold_back", hold_back},
                                     {"quiet", quiet},         {"stream", stream},
                                     {"is_read", is_read},     {"collect", collect},
                                     {"__gc", collect},        {NULL, NULL}};
  static const luaL_Reg functions[] = {{"create", create}, {"starve", starve}, {NULL, NULL}};
  if (!loop.last_task) hf_loop_init(&loop, NULL);
  luaL_newmetatable(L, class_name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
