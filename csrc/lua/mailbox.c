/* The mailbox of a Lua state: what its clients' keeper has to tell it. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "core/message_block.h"
#include "keeper/lead.h"
#include "keeper/tally.h"
#include "keeper/trace.h"
#include "lua/binding.h"
#include "sys/alarm.h"
#include "sys/bridge.h"
#include "sys/clock.h"
#include "sys/thread.h"

#define MAILBOX "holdfast.mailbox"

typedef struct mailbox {
  hf_mailbox *mails;
  hf_mail *pending; /* taken out of it, not handed out to its end by Lua yet */
  uint64_t serial;  /* of what was shown to Lua last */
  unsigned shown;   /* so many of the pending have been, the first: one, or a run of messages */
  unsigned handed;  /* so many were finished since hf_lead_came_by */
  hf_lua_debts debts;
  bool traces;    /* the library's trace comes here, unless another Lua state has asked since */
  hf_alarm alarm; /* made when it is first set */
  hf_alarm clock; /* likewise; of `wait` */
  int64_t rings;  /* when it does (us); in the past: it is not set */
  hf_bridge bridge;
} mailbox;

static const char key; /* its address: where the registry keeps the state's mailbox */

/* A state that closes collects what was made first last: finalizers of what is older than this find it collected. */
static hf_mailbox *must_be_open(lua_State *L, const mailbox *box) {
  if (!box->mails) luaL_error(L, "holdfast: this Lua state is closing, and nothing can be done in it any more");
  return box->mails;
}

static mailbox *check(lua_State *L) {
  mailbox *box = luaL_checkudata(L, 1, MAILBOX);
  must_be_open(L, box);
  return box;
}

/* After a fork the mails in here are the parent's to tell, and so is the descriptor, which both have, to read: cleared
 * by the child it would never wake the parent again. The alarm is one timer for both, and the parent's to set. */
static bool has_pending(const mailbox *box) {
  return box->pending && !hf_thread_forked();
}

static int descriptor(lua_State *L) {
  mailbox *box = check(L);
  bool has_alarm = box->alarm.descriptor >= 0;
  lua_pushinteger(L, has_alarm ? box->alarm.descriptor : hf_mailbox_descriptor(box->mails));
  return 1;
}

/* alarm(seconds | nil): from now on the descriptor, another one than before the first call, is readable then too. */
static int alarm(lua_State *L) {
  mailbox *box = check(L);
  lua_Number seconds = lua_isnoneornil(L, 2) ? -1 : luaL_checknumber(L, 2);
  if (hf_thread_forked()) return 0;
  bool there = box->alarm.descriptor >= 0 || hf_alarm_init(&box->alarm, hf_mailbox_descriptor(box->mails));
  if (!there || !hf_alarm_set(&box->alarm, seconds))
    luaL_error(L, "holdfast: no descriptor left for the timers of this Lua state");
  return 0;
}

static int events(lua_State *L) {
  check(L);
  lua_pushliteral(L, "r");
  return 1;
}

/* Mails that have been taken out of the box do not show on the descriptor. */
static int timeout(lua_State *L) {
  if (!has_pending(check(L))) return 0;
  lua_pushinteger(L, 0);
  return 1;
}

static int dirty(lua_State *L) {
  lua_pushboolean(L, has_pending(check(L)));
  return 1;
}

enum { DOZE = 1000000 }; /* us: so much later a wait may end that the machine has slept through */

static bool has_clock(mailbox *box) {
  return box->clock.descriptor >= 0 || hf_alarm_init(&box->clock, -1);
}

/* By a timer, since a timeout would not count a suspend that begins during it. One that rings a little early rings in
 * vain, which is cheaper than to set it at each wait. False: it cannot be had. */
static bool set_clock(mailbox *box, int64_t due) {
  int64_t now = hf_clock_us();
  if (box->rings > now && box->rings <= due && due - DOZE <= box->rings) return true;
  double left = due > now ? (double)(due - now) / 1e6 : 0;
  if (!has_clock(box) || !hf_alarm_set(&box->clock, left)) return false;
  box->rings = due;
  return true;
}

static bool doze(mailbox *box, int64_t due) {
  struct pollfd watched[] = {{.fd = hf_mailbox_descriptor(box->mails), .events = POLLIN},
                             {.fd = box->clock.descriptor, .events = POLLIN}};
  do {
    if (!set_clock(box, due) || poll(watched, 2, -1) < 0) return false;
    if (watched[0].revents) return true;
  } while (hf_clock_us() < due);
  return false;
}

static int wait(lua_State *L) {
  mailbox *box = check(L);
  struct timespec limit = {0, 0};
  bool forever = lua_isnoneornil(L, 2);
  lua_Number seconds = forever ? 0 : luaL_checknumber(L, 2);
  if (seconds > 0) {
    lua_Number longest = 86400.0 * 365; /* keeps time_t in range, and infinity usable */
    seconds = seconds < longest ? seconds : longest;
    limit.tv_sec = (time_t)seconds;
    limit.tv_nsec = (long)((seconds - floor(seconds)) * 1e9);
  }
  if (has_pending(box)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  bool forked = hf_thread_forked();
  int64_t due = hf_clock_us() + (int64_t)(seconds * 1e6);
  bool is_long = !forked && seconds * 1e6 > DOZE;
  if (is_long) has_clock(box); /* also when it is not needed this time: what a process has does not depend on that */
  hf_led led = forked ? HF_LED_NOT : hf_lead(box->mails, forever ? INT64_MAX : due);
  if (led != HF_LED_NOT) {
    lua_pushboolean(L, led == HF_LED_TO_MAIL);
    return 1;
  }
  bool has_mail;
  if (is_long && set_clock(box, due)) {
    has_mail = doze(box, due);
  } else {
    struct pollfd poll = {.fd = hf_mailbox_descriptor(box->mails), .events = POLLIN};
    has_mail = ppoll(&poll, forked ? 0 : 1, forever ? NULL : &limit, NULL) > 0;
  }
  hf_lead_waited();
  lua_pushboolean(L, has_mail);
  return 1;
}

/* Ends the mail that has just been handed over, or could not be. */
static void taken(hf_mail *mail) {
  hf_client *client = mail->owner;
  if (mail->kind == HF_EVENT_TRACE)
    hf_event_discard(mail);
  else if (mail->kind == HF_EVENT_OUTCOME)
    hf_client_outcome_taken(client, (hf_publish *)mail);
  else
    hf_client_event_taken(client, mail);
}

static bool is_shown(const mailbox *box, lua_State *L) {
  return box->shown > 0 && (uint64_t)lua_tonumber(L, 2) == box->serial;
}

/* Messages in a row that are for the same one wish are shown at once, as a rule. A run's bytes are copied without a
 * look at the clock. */
enum { RUN = 64, RUN_BYTES = 64 * 1024 };

static const hf_message *as_message(const hf_mail *mail) {
  return mail && mail->kind == HF_EVENT_MESSAGE ? (const hf_message *)mail : NULL;
}

static void finish_shown(mailbox *box) {
  hf_mail *mail = box->pending;
  if (as_message(mail)) {
    hf_client *client = mail->owner;
    box->pending = hf_message_free_run((hf_message *)mail, box->shown);
    hf_client_drop_more(client, box->shown);
  } else {
    box->pending = mail->next;
    taken(mail);
  }
  box->handed += box->shown;
  box->shown = 0;
  if (box->handed < RUN) return;
  box->handed = 0;
  hf_lead_came_by();
}

static unsigned run_of(const hf_mail *mail, unsigned most) {
  const hf_message *first = as_message(mail), *message = first;
  unsigned count = 0;
  for (size_t bytes = 0; message && count < most && bytes < RUN_BYTES; message = as_message(message->mail.next)) {
    if (message->mail.owner != first->mail.owner) break;
    if (message->wish_count != 1 || message->wishes[0] != first->wishes[0]) break;
    bytes += message->payload.length;
    count++;
  }
  return count > 0 ? count : 1;
}

/* A message has a number, under which it is owed for, before any of it is on the stack. */
static bool open_receipt(mailbox *box, hf_message *message) {
  const hf_owed owed = {
      .bytes = message->topic.length + message->payload.length, .link = message->receipt, .qos = message->qos};
  if (message->number) return true;
  if (owed.link && !hf_client_expect(message->mail.owner, owed.qos, owed.link)) return false;
  message->number = hf_receipts_open(&box->debts.receipts, hf_client_id(message->mail.owner), owed);
  return message->number != 0;
}

/* Those that came in one turn of the keeper have waited as long. */
static void count_dispatch(const hf_message *message, unsigned count) {
  int64_t now = hf_clock_us();
  while (message && count > 0) {
    int64_t came = message->came;
    unsigned alike = 0;
    for (; message && count > 0 && message->came == came; count--, message = as_message(message->mail.next))
      alike++;
    hf_tally_dispatch(now > came ? now - came : 0, alike);
  }
}

static void show(lua_State *L, mailbox *box, unsigned most) {
  unsigned count = run_of(box->pending, most < RUN ? most : RUN);
  hf_mail *mail = box->pending;
  for (unsigned i = 0; i < count && mail->kind == HF_EVENT_MESSAGE; i++, mail = mail->next)
    if (!open_receipt(box, (hf_message *)mail)) luaL_error(L, "not enough memory");
  count_dispatch(as_message(box->pending), count);
  box->shown = count;
  box->serial++;
}

/* take([finished[, most]]) -> serial, kind, client, ...: the next mail, or a "run" of messages, up to `most` (1). What
 * was shown stays first in `pending` until Lua says that it has been handed out to its end, by its serial (nil:
 * whichever it was); until then it is shown again, so that an error anywhere between (memory, a hook, Ctrl-C) loses
 * nothing. */
static int take(lua_State *L) {
  mailbox *box = hf_lua_checkudata(L, 1, MAILBOX);
  if (hf_thread_forked()) return 0;
  if (box->shown > 0 && (lua_isnoneornil(L, 2) || is_shown(box, L))) finish_shown(box);
  if (!box->pending) box->pending = hf_mailbox_take_all(must_be_open(L, box));
  if (!box->pending) return 0;
  if (!box->shown) show(L, box, (unsigned)luaL_optinteger(L, 3, 1));
  hf_lua_pushint64(L, (int64_t)box->serial);
  const hf_message *message = as_message(box->pending);
  if (!message) return 1 + hf_lua_push_mail(L, box->pending);
  return 1 + (box->shown > 1 ? hf_lua_push_run(L, message, box->shown) : hf_lua_push_message(L, message));
}

/* fill(serial, messages, items, ends, room, last, alike): the run that is shown under it, into a buffer's arrays ->
 * nothing, or, if `alike`, perhaps the topic and the QoS of all, whose payloads lie in the places of the messages. */
static int fill(lua_State *L) {
  mailbox *box = hf_lua_checkudata(L, 1, MAILBOX);
  if (hf_thread_forked() || !is_shown(box, L) || !as_message(box->pending)) return 0;
  return hf_lua_fill_run(L, as_message(box->pending), box->shown, 3);
}

/* finish(serial[, unclaimed]): that mail has been handed out, before the next one is asked for: its room is free from
 * now on. `unclaimed`: there was nobody for it, so that nothing is owed for it. */
static int finish(lua_State *L) {
  mailbox *box = check(L);
  if (hf_thread_forked() || !is_shown(box, L)) return 0;
  const hf_message *message = lua_toboolean(L, 3) ? as_message(box->pending) : NULL;
  for (unsigned i = 0; message && i < box->shown; i++, message = as_message(message->mail.next))
    hf_receipts_close(&box->debts.receipts, hf_client_id(message->mail.owner), message->number, NULL);
  finish_shown(box);
  return 0;
}

/* settle(finished): has the keeper know of everything that Lua is done with; `finished` as for take. */
static int settle(lua_State *L) {
  mailbox *box = check(L);
  if (hf_thread_forked()) return 0;
  if (is_shown(box, L)) finish_shown(box);
  hf_lua_settle(&box->debts);
  return 0;
}

/* For hosts that wait on a stream that they have opened: listen() -> path; the host connects to it; accept() -> true. A
 * byte comes whenever there is mail, and after knock(). hang_up() ends the stream. After a fork the hint is the
 * parent's, raised or on its way, and so is the lock. */
static int failure(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

static int bridge_listen(lua_State *L) {
  mailbox *box = check(L);
  if (!hf_bridge_listen(&box->bridge)) return failure(L);
  lua_pushstring(L, box->bridge.path);
  return 1;
}

static int bridge_accept(lua_State *L) {
  mailbox *box = check(L);
  int stream = hf_bridge_accept(&box->bridge);
  if (stream < 0) return failure(L);
  hf_mailbox_use_stream(box->mails, stream);
  lua_pushboolean(L, 1);
  return 1;
}

static int knock(lua_State *L) {
  mailbox *box = check(L);
  if (!hf_thread_forked()) hf_mailbox_knock(box->mails);
  return 0;
}

static int hang_up(lua_State *L) {
  mailbox *box = check(L);
  if (!hf_thread_forked()) hf_mailbox_use_stream(box->mails, -1);
  return 0;
}

/* In a fork the lock of the mails may be held for ever by a thread that is not there. */
static int collect(lua_State *L) {
  mailbox *box = luaL_checkudata(L, 1, MAILBOX);
  if (hf_thread_forked()) return 0;
  while (box->pending) {
    hf_mail *next = box->pending->next;
    hf_event_discard(box->pending);
    box->pending = next;
  }
  box->shown = 0;
  hf_receipts_end(&box->debts.receipts);
  hf_alarm_close(&box->alarm);
  hf_alarm_close(&box->clock);
  hf_bridge_close(&box->bridge);
  if (box->mails) {
    hf_lead_depart();
    if (box->traces) hf_trace_listen(hf_keeper_shared(), box->mails, HF_TRACE_OFF);
    hf_mailbox_shut(box->mails);
    hf_mailbox_release(box->mails);
  }
  box->mails = NULL;
  return 0;
}

/* What cqueues polls has pollfd, events and timeout; what LuaSocket's select takes has getfd and dirty. */
static const luaL_Reg methods[] = {
    {"finish", finish},        {"settle", settle},   {"wait", wait},        {"alarm", alarm}, {"pollfd", descriptor},
    {"events", events},        {"timeout", timeout}, {"getfd", descriptor}, {"dirty", dirty}, {"listen", bridge_listen},
    {"accept", bridge_accept}, {"knock", knock},     {"hang_up", hang_up},  {NULL, NULL}};

hf_mailbox *hf_lua_mailbox(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
  mailbox *box = lua_touserdata(L, -1);
  if (box) return must_be_open(L, box);
  lua_pop(L, 1);
  box = hf_lua_newuserdata(L, sizeof *box);
  box->pending = NULL;
  box->serial = box->shown = box->handed = 0;
  box->debts.debtors = NULL;
  hf_receipts_init(&box->debts.receipts);
  box->mails = NULL;
  box->traces = false;
  box->alarm = box->clock = (hf_alarm){-1, -1};
  box->rings = 0;
  hf_bridge_init(&box->bridge);
  luaL_setmetatable(L, MAILBOX);
  box->mails = hf_mailbox_new(hf_event_discard);
  if (!box->mails) luaL_error(L, "holdfast: no memory, or no descriptor left, for the events of this Lua state");
  hf_lead_arrive();
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  return box->mails;
}

hf_lua_debts *hf_lua_debts_of(lua_State *L) {
  hf_lua_mailbox(L);
  mailbox *box = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return &box->debts;
}

static bool listen_to_trace(mailbox *box, hf_trace_level level) {
  hf_keeper *keeper = hf_keeper_shared();
  box->traces = keeper && hf_trace_listen(keeper, box->mails, level) && level != HF_TRACE_OFF;
  return keeper != NULL;
}

/* trace(level, 0 for off): what the transport library says of itself, as mails of no client -> true, or false in a fork
 * and when there is no memory */
static int trace(lua_State *L) {
  lua_Integer level = luaL_checkinteger(L, 1);
  luaL_argcheck(L, level >= HF_TRACE_OFF && level <= HF_TRACE_MAXIMUM, 1, "a level of trace expected");
  hf_lua_mailbox(L);
  lua_pushboolean(L, !hf_thread_forked() && listen_to_trace(lua_touserdata(L, -1), (hf_trace_level)level));
  return 1;
}

static int get(lua_State *L) {
  hf_lua_mailbox(L);
  return 1;
}

void hf_lua_open_mailbox(lua_State *L) {
  luaL_newmetatable(L, MAILBOX);
  luaL_newlib(L, methods);
  hf_lua_message_method(L, "take", take);
  hf_lua_message_method(L, "fill", fill);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushcfunction(L, get);
  lua_setfield(L, -2, "mailbox");
  lua_pushcfunction(L, trace);
  lua_setfield(L, -2, "trace");
}
