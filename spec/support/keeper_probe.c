/* The whole binding over a keeper without a thread, a scripted link and a clock that moves when it is told to.
 *
 * `require "keeper_probe"` gives a table with `core`, which stands in for holdfast.core, and the controls of time and
 * of the scripted broker. Waiting on core.mailbox() lets virtual time pass instead of real time. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "famine.h"
#include "keeper/inside.h"
#include "keeper/knock.h"
#include "keeper/route.h"
#include "keeper/trace.h"
#include "lead_script.h"
#include "link/fake_link.h"
#include "lua/binding.h"
#include "mail_race.h"
#include "post_race.h"
#include "rival_script.h"
#include "room_race.h"
#include "service_script.h"
#include "sys/clock.h"
#include "sys/thread.h"

/* ---- what stands in for sys/clock.c and keeper/thread.c ---- */

static int64_t now = 1000000; /* ms; far from 0, so that a forgotten start shows */
static hf_keeper *keeper;

int64_t hf_clock_ms(void) {
  return now;
}

int64_t hf_clock_us(void) {
  return now * 1000;
}

int64_t hf_clock_wall_ms(void) {
  return 1700000000000 + now;
}

static bool opens;       /* whether somebody answers a knock */
static bool slow_knocks; /* its answer waits until this is over */
static hf_knocked *late;
static int knocks;

static void answer_knock(void) {
  if (late) hf_question_answer(&late->question);
  late = NULL;
}

static bool knock(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server) {
  (void)server;
  hf_knocked *answer = hf_question_new(sizeof *answer, inbox, client, generation, HF_COMMAND_KNOCKED);
  if (!answer) return false;
  answer->opened = opens;
  knocks++;
  answer_knock();
  late = answer;
  if (!slow_knocks) answer_knock();
  return true;
}

/* Names: script { names = "answer" | "fail" | "hold" | "hold_fail" | "refuse" }; by default the link is given them as
 * they are. */
enum { ANSWER, FAIL, HOLD, HOLD_FAIL, REFUSE, QUESTIONS = 64 };
static int naming;
static hf_resolved *questions[QUESTIONS]; /* held back, oldest first */
static size_t question_count;

static void answer_names(void) {
  for (size_t i = 0; i < question_count; i++)
    hf_question_answer(&questions[i]->question);
  question_count = 0;
}

static bool resolve(hf_mailbox *inbox, hf_client *client, uint32_t generation, const char *host) {
  (void)host;
  if (naming == REFUSE || question_count == QUESTIONS) return false;
  hf_resolved *answer = hf_question_new(sizeof *answer, inbox, client, generation, HF_COMMAND_RESOLVED);
  if (!answer) return false;
  answer->failure = naming == FAIL || naming == HOLD_FAIL ? HF_NETWORK_NAME_NOT_FOUND : 0;
  answer->count = 2;
  strcpy(answer->addresses[0].text, "10.0.0.1");
  strcpy(answer->addresses[1].text, "10.0.0.2");
  questions[question_count++] = answer;
  if (naming != HOLD && naming != HOLD_FAIL) answer_names();
  return true;
}

/* Looks into TLS failures: script { finds = "tls_expired" | "short" (of descriptors) | "nothing" | "hold" | "full" };
 * by default nobody looks. What is held is answered by diagnose(name). */
enum { HELD = 16 };
static const char *finds;
static hf_diagnosed *held[HELD];
static size_t held_count;
static int looks, looks_at_files;

static hf_tls_code tls_code_named(const char *name) {
  for (size_t row = 0; row < hf_reason_count(); row++)
    if (hf_reason_row(row)->source == HF_SOURCE_TLS && strcmp(hf_reason_row(row)->name, name) == 0)
      return (hf_tls_code)hf_reason_row(row)->code;
  return 0;
}

static void answer_diagnoses(const char *name) {
  for (size_t i = 0; i < held_count; i++) {
    held[i]->finding.code = tls_code_named(name);
    strcpy(held[i]->finding.text, held[i]->finding.code || strcmp(name, "short") == 0 ? "as found" : "");
    hf_question_answer(&held[i]->question);
  }
  held_count = 0;
}

static bool diagnose(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server,
                     int64_t deadline) {
  (void)deadline;
  if (strcmp(finds, "full") == 0 || held_count == HELD) return false;
  hf_diagnosed *answer = hf_question_new(sizeof *answer, inbox, client, generation, HF_COMMAND_DIAGNOSED);
  if (!answer) return false;
  answer->server = server;
  held[held_count++] = answer;
  if (server)
    looks++;
  else
    looks_at_files++;
  if (strcmp(finds, "hold") != 0) answer_diagnoses(finds);
  return true;
}

hf_keeper *hf_keeper_shared(void) {
  hf_thread_watch_forks();
  if (!keeper)
    keeper = hf_keeper_new((hf_keeper_links){{&hf_link_fake, &hf_link_fake}}, (hf_keeper_means){.knock = knock}, NULL,
                           20260101);
  return keeper;
}

/* ---- time ---- */

/* A moment may take a few turns, but a keeper that wants another one for ever would take all of a processor. */
enum { FEWEST_TURNS = 8, MOST_TURNS = 10000 };

/* Everything that follows from what has happened; when the keeper wants to be woken next. */
static int64_t settle(lua_State *L) {
  int64_t due;
  int turns = 0;
  do {
    due = hf_keeper_turn(hf_keeper_shared(), now);
    if (++turns > MOST_TURNS) luaL_error(L, "keeper_probe: the keeper does not come to rest");
  } while (turns < FEWEST_TURNS || due <= now);
  return due;
}

/* Seconds until the keeper wants to be woken, or nil. */
static int turn(lua_State *L) {
  int64_t due = settle(L);
  if (due == INT64_MAX)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)(due - now) / 1000);
  return 1;
}

static int advance(lua_State *L) {
  int64_t until = now + (int64_t)(luaL_checknumber(L, 1) * 1000 + 0.5);
  for (int64_t due = settle(L); due <= until; due = settle(L))
    now = due;
  now = until;
  settle(L);
  return 0;
}

static bool has_mail(lua_State *L) {
  struct pollfd mailbox = {.fd = hf_mailbox_descriptor(hf_lua_mailbox(L)), .events = POLLIN};
  lua_pop(L, 1);
  return poll(&mailbox, 1, 0) > 0;
}

/* mailbox:wait(seconds): as the real one answers, but the time that passes is ours. */
static int wait(lua_State *L) {
  bool forever = lua_isnoneornil(L, 2);
  lua_Number wanted = forever ? 0 : luaL_checknumber(L, 2) * 1000;
  int64_t whole = (int64_t)wanted;
  if ((lua_Number)whole < wanted) whole++; /* the least fraction must let time move on, or a loop never ends */
  int64_t until = forever ? INT64_MAX : now + whole;
  for (;;) {
    int64_t due = settle(L);
    if (has_mail(L)) {
      lua_pushboolean(L, 1);
      return 1;
    }
    if (due > until || due == INT64_MAX) {
      if (forever) return luaL_error(L, "keeper_probe: waiting for ever, and nothing will ever happen");
      now = until;
      lua_pushboolean(L, 0);
      return 1;
    }
    now = due;
  }
}

/* ---- the script ---- */

static int integer_field(lua_State *L, const char *name, int otherwise) {
  lua_getfield(L, 1, name);
  int value = lua_isnil(L, -1) ? otherwise : (int)luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return value;
}

static bool flag_field(lua_State *L, const char *name, bool otherwise) {
  lua_getfield(L, 1, name);
  bool value = lua_isnil(L, -1) ? otherwise : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* A string that lives until the next one; false: none. */
static void text_field(lua_State *L, const char *name, char memory[64], const char **value) {
  lua_getfield(L, 1, name);
  if (lua_isboolean(L, -1)) {
    *value = NULL;
  } else if (!lua_isnil(L, -1)) {
    strncpy(memory, luaL_checkstring(L, -1), 63);
    *value = memory;
  }
  lua_pop(L, 1);
}

/* script{ connect = "accept" | "refuse" | "silent", source =, code =, ... }: only what is given changes. */
static int script(lua_State *L) {
  static const char *const ways[] = {"accept", "refuse", "silent", NULL};
  static char assigned[64], only[64], text[64], reference[64], found[64];
  hf_fake_script *s = hf_fake_script_now();
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "connect");
  if (!lua_isnil(L, -1)) s->connect = (hf_fake_connect)luaL_checkoption(L, -1, NULL, ways);
  lua_getfield(L, 1, "source");
  if (!lua_isnil(L, -1)) s->refuse_source = (hf_source)hf_source_find(luaL_checkstring(L, -1));
  text_field(L, "assigned_client_id", assigned, &s->assigned_client_id);
  text_field(L, "refuse_only", only, &s->refuse_only);
  text_field(L, "text", text, &s->text);
  text_field(L, "server_reference", reference, &s->server_reference);
  s->refuse_code = integer_field(L, "code", s->refuse_code);
  s->session_present = integer_field(L, "session_present", s->session_present);
  s->publish_result = integer_field(L, "publish_result", s->publish_result);
  s->refuse_subscriptions = integer_field(L, "refuse_subscriptions", s->refuse_subscriptions);
  s->hold_publishes = flag_field(L, "hold_publishes", s->hold_publishes);
  s->hold_subscriptions = flag_field(L, "hold_subscriptions", s->hold_subscriptions);
  s->hold_close = flag_field(L, "hold_close", s->hold_close);
  s->refuse_to_take = flag_field(L, "refuse_to_take", s->refuse_to_take);
  s->refuse_to_subscribe = flag_field(L, "refuse_to_subscribe", s->refuse_to_subscribe);
  s->refuse_once = flag_field(L, "refuse_once", s->refuse_once);
  s->refuse_to_create = flag_field(L, "refuse_to_create", s->refuse_to_create);
  opens = flag_field(L, "opens", opens);
  slow_knocks = flag_field(L, "slow_knocks", slow_knocks);
  if (!slow_knocks) answer_knock();
  lua_getfield(L, 1, "knocks");
  if (!lua_isnil(L, -1)) {
    static const char *const knockings[] = {"script", "real", NULL};
    hf_keeper_shared()->means.knock = luaL_checkoption(L, -1, NULL, knockings) ? hf_knock_ask : knock;
  }
  lua_getfield(L, 1, "names");
  if (!lua_isnil(L, -1)) {
    static const char *const namings[] = {"answer", "fail", "hold", "hold_fail", "refuse", NULL};
    naming = luaL_checkoption(L, -1, NULL, namings);
    hf_keeper_shared()->means.resolve = resolve;
  }
  hf_service_script(L, hf_keeper_shared());
  text_field(L, "finds", found, &finds);
  hf_keeper_shared()->means.diagnose = finds ? diagnose : NULL;
  hf_link_connected *limits = &s->limits;
  hf_rival_script(L, &limits->rival);
  limits->receive_maximum = (uint16_t)integer_field(L, "receive_maximum", limits->receive_maximum);
  limits->keep_alive = (uint16_t)integer_field(L, "server_keep_alive", limits->keep_alive);
  limits->maximum_packet_size = (uint32_t)integer_field(L, "maximum_packet_size", (int)limits->maximum_packet_size);
  limits->maximum_qos = (uint8_t)integer_field(L, "maximum_qos", limits->maximum_qos);
  limits->retain_available = flag_field(L, "retain_available", limits->retain_available);
  limits->wildcard_available = flag_field(L, "wildcard_available", limits->wildcard_available);
  limits->shared_available = flag_field(L, "shared_available", limits->shared_available);
  limits->identifiers_available = flag_field(L, "identifiers_available", limits->identifiers_available);
  return 0;
}

static hf_link *link_argument(lua_State *L) {
  hf_link *link = hf_fake_link_at((size_t)luaL_checkinteger(L, 1) - 1);
  return link ? link : (luaL_argerror(L, 1, "there is no such link"), NULL);
}

/* drop(link, source, code), accept(link), renew(link), release(link): links by number, from 1 in the order of creation.
 */
static int drop(lua_State *L) {
  hf_fake_drop(link_argument(L), (hf_source)hf_source_find(luaL_checkstring(L, 2)), (int)luaL_checkinteger(L, 3));
  return 0;
}

static int accept(lua_State *L) {
  hf_fake_accept(link_argument(L));
  return 0;
}

static int renew(lua_State *L) {
  hf_fake_renew(link_argument(L));
  return 0;
}

static int release(lua_State *L) {
  hf_fake_release(link_argument(L));
  return 0;
}

/* acknowledge(link, count): the oldest publishes that are held; the rest stays held. */
static int acknowledge(lua_State *L) {
  hf_fake_acknowledge(link_argument(L), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

/* answer(link, count): the same of SUBACK and UNSUBACK. */
static int answer(lua_State *L) {
  hf_fake_answer(link_argument(L), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int send(lua_State *L) {
  hf_bytes payload;
  payload.data = luaL_checklstring(L, 2, &payload.length);
  hf_fake_send(luaL_checkstring(L, 1), payload, (uint8_t)luaL_optinteger(L, 3, 0));
  return 0;
}

/* crowd(link, topic, count): an empty message with that many Subscription Identifiers, from 1. */
static int crowd(lua_State *L) {
  hf_fake_crowd(link_argument(L), luaL_checkstring(L, 2), (size_t)luaL_checkinteger(L, 3));
  return 0;
}

/* What was asked of all links since this was called last. */
static int asked(lua_State *L) {
  lua_pushstring(L, hf_fake_record());
  hf_fake_record_clear();
  return 1;
}

/* The wall clock has been set. */
static int clock_set(lua_State *L) {
  (void)L;
  hf_keeper_clock_set(hf_keeper_shared());
  return 0;
}

/* Clients that are in memory, closed ones too. */
static int living(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)atomic_load(&hf_client_living));
  return 1;
}

static int links(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)hf_fake_links());
  return 1;
}

/* A broker without sessions and an empty record, for the next spec. */
static int reset(lua_State *L) {
  (void)L;
  opens = slow_knocks = false;
  answer_knock();
  knocks = 0;
  answer_names();
  answer_diagnoses("nothing");
  finds = NULL;
  looks = looks_at_files = 0;
  hf_keeper_shared()->means.resolve = NULL;
  hf_service_script_over(hf_keeper_shared());
  hf_keeper_shared()->means.diagnose = NULL;
  hf_fake_reset();
  return 0;
}

/* The process ends: its clients are closed, and the link is told. Afterwards there may be others. */
static int stop(lua_State *L) {
  hf_command *command = calloc(1, sizeof *command);
  if (!command) return luaL_error(L, "not enough memory");
  command->mail.kind = HF_COMMAND_STOP;
  hf_mailbox_push(hf_keeper_inbox(hf_keeper_shared()), &command->mail);
  settle(L);
  keeper->stopping = false;
  return 0;
}

/* Everything that was asked of names and held back is answered. */
static int resolved(lua_State *L) {
  (void)L;
  answer_names();
  return 0;
}

/* diagnose(name): what was held back is answered so. */
static int answer_held(lua_State *L) {
  answer_diagnoses(luaL_checkstring(L, 1));
  return 0;
}

/* How often somebody was asked to look. */
static int looked(lua_State *L) {
  lua_pushinteger(L, looks);
  return 1;
}

static int looked_at_files(lua_State *L) {
  lua_pushinteger(L, looks_at_files);
  return 1;
}

/* say(line, count): so many lines of trace, as from a transport library. */
static int say(lua_State *L) {
  const char *line = luaL_checkstring(L, 1);
  for (lua_Integer i = luaL_optinteger(L, 2, 1); i > 0; i--)
    hf_trace_lines_of(HF_TRANSPORT_PAHO)(HF_TRACE_PROTOCOL, line);
  return 0;
}

/* news(gained): the system says that the network has changed. */
static int news(lua_State *L) {
  hf_keeper_network_changed(hf_keeper_shared(), lua_toboolean(L, 1), now);
  return 0;
}

/* starve(n): the n-th request for memory from now on fails, n = 0: none; whether one has failed since the last call. */
static int starve(lua_State *L) {
  lua_pushboolean(L, famine_has_failed());
  famine_fail((long)luaL_checkinteger(L, 1));
  return 1;
}

static int knocked(lua_State *L) {
  lua_pushinteger(L, knocks);
  return 1;
}

/* is_direct(no_proxy, host) -> whether the list has it */
static int is_direct(lua_State *L) {
  lua_pushboolean(L, hf_route_is_direct(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
  return 1;
}

static const luaL_Reg functions[] = {{"turn", turn},
                                     {"is_direct", is_direct},
                                     {"advance", advance},
                                     {"script", script},
                                     {"drop", drop},
                                     {"accept", accept},
                                     {"renew", renew},
                                     {"release", release},
                                     {"acknowledge", acknowledge},
                                     {"answer", answer},
                                     {"send", send},
                                     {"crowd", crowd},
                                     {"resolved", resolved},
                                     {"services", hf_service_questions},
                                     {"news", news},
                                     {"knocked", knocked},
                                     {"starve", starve},
                                     {"post_race", post_race},
                                     {"room_race", room_race},
                                     {"mail_race", mail_race},
                                     {"lead_wait", lead_wait},
                                     {"lead_came_by", lead_came_by},
                                     {"lead_give", lead_give},
                                     {"stop", stop},
                                     {"asked", asked},
                                     {"links", links},
                                     {"living", living},
                                     {"clock_set", clock_set},
                                     {"reset", reset},
                                     {"say", say},
                                     {"looked", looked},
                                     {"looked_at_files", looked_at_files},
                                     {"diagnose", answer_held},
                                     {NULL, NULL}};

int luaopen_holdfast_core(lua_State *L);
int luaopen_keeper_probe(lua_State *L);

int luaopen_keeper_probe(lua_State *L) {
  hf_fake_reset();
  luaL_newlib(L, functions);
  luaopen_holdfast_core(L);
  hf_lua_mailbox(L);
  lua_getmetatable(L, -1);
  lua_getfield(L, -1, "__index");
  lua_pushcfunction(L, wait);
  lua_setfield(L, -2, "wait");
  lua_pop(L, 3);
  lua_setfield(L, -2, "core");
  return 1;
}
