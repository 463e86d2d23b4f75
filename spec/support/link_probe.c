/* link_probe: any link of csrc/link by itself, as the Lua module `link_probe`.
 *
 *   local link = probe.create("paho")        -- or "fake"
 *   link:open { host = "127.0.0.1", port = 1883, client_id = "a" }
 *   link:take(1000)                          -- the next mail as a table, or nil after so many ms
 *
 * The Lua thread plays the keeper: every operation is called on it. Mails are
 * collected in a mailbox that outlives the link, so that what `destroy` drains
 * can be looked at. A publish belongs to the probe until it is delivered.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "link/fake_link.h"
#include "link/link.h"
#include "lua/compat.h"
#include "sys/clock.h"
#include "sys/library.h"
#include "sys/mailbox.h"

#include "link_arguments.h"
#include "link_mail.h"

static const char *const class_name = "link_probe.link";

typedef struct hf_probe {
  const hf_link_operations *operations;
  hf_link *link;
  hf_mailbox *mailbox;
  hf_mail *taken;      /* from the mailbox, not yet asked for */
  hf_store *store;     /* NULL unless resumed */
  hf_publish *carried; /* came back as LOST, and the session knows them */
  uint32_t generation;
  bool holds; /* acknowledgements wait for link:acknowledge */
} hf_probe;

static hf_loop loop; /* of links that live on one: turned while a mail is waited for */

static hf_probe *check(lua_State *L) {
  hf_probe *probe = luaL_checkudata(L, 1, class_name);
  luaL_argcheck(L, probe->link, 1, "destroyed");
  return probe;
}

static void deliver(void *context, hf_mail *mail) {
  hf_mailbox_push(context, mail);
}

static int create(lua_State *L) {
  static const char *const names[] = {"paho", "fake", "native", NULL};
  static const hf_link_operations *const all[] = {&hf_link_paho, &hf_link_fake, &hf_link_native};
  const hf_link_operations *operations = all[luaL_checkoption(L, 1, NULL, names)];
  hf_probe *probe = hf_lua_newuserdata(L, sizeof *probe);
  *probe = (hf_probe){.operations = operations};
  luaL_setmetatable(L, class_name);
  loop.now = hf_clock_ms();
  char missing[HF_LIBRARY_PROBLEM];
  if (operations->load && !operations->load(missing)) return luaL_error(L, "%s", missing);
  if (!operations->begin(&loop)) return luaL_error(L, "the link does not begin");
  probe->mailbox = hf_mailbox_new(hf_link_mail_free);
  probe->link = operations->create((hf_link_sink){deliver, probe->mailbox, probe});
  if (operations->allow) operations->allow(probe->link, SIZE_MAX);
  return 1;
}

/* ---- operations ---- */

static int open_link(lua_State *L) {
  hf_probe *probe = check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  hf_link_attempt attempt = {
      .host = text_field(L, 2, "host", "127.0.0.1"),
      .road = (hf_road)hf_road_find(text_field(L, 2, "road", "tcp")),
      .path = text_field(L, 2, "path", NULL),
      .headers = text_field(L, 2, "headers", NULL),
      .port = (uint16_t)number_field(L, 2, "port", 1883),
      .ipv6 = flag_field(L, 2, "ipv6"),
      .client_id = text_field(L, 2, "client_id", "probe"),
      .username = bytes_field(L, 2, "username"),
      .password = bytes_field(L, 2, "password"),
      .session_expiry = number_field(L, 2, "session_expiry", 0),
      .timeout = number_field(L, 2, "timeout", 5000),
      .maximum_packet_size = number_field(L, 2, "maximum_packet_size", 0),
      .keep_alive = (uint16_t)number_field(L, 2, "keep_alive", 60),
      .receive_maximum = (uint16_t)number_field(L, 2, "receive_maximum", 65535),
      .protocol = (uint8_t)number_field(L, 2, "protocol", 5),
      .clean_start = flag_field(L, 2, "clean_start"),
  };
  hf_given_properties connect, will_properties;
  lua_getfield(L, 2, "properties");
  attempt.properties = read_properties(L, 3, &connect);
  hf_link_tls tls;
  const char *alpn[] = {NULL, NULL};
  if (hf_lua_getfield(L, 2, "tls") == LUA_TTABLE) {
    alpn[0] = text_field(L, 4, "alpn", NULL);
    tls = (hf_link_tls){.ca = text_field(L, 4, "ca", NULL),
                        .cert = text_field(L, 4, "cert", NULL),
                        .key = text_field(L, 4, "key", NULL),
                        .key_password = text_field(L, 4, "key_password", NULL),
                        .alpn = alpn[0] ? alpn : NULL,
                        .psk_identity = text_field(L, 4, "psk_identity", NULL),
                        .psk_key = bytes_field(L, 4, "psk_key"),
                        .verify = flag_field(L, 4, "verify")};
    attempt.tls = &tls;
  }
  hf_given_proxy proxy;
  read_proxy(L, 2, &proxy, &attempt);
  hf_link_will will;
  if (hf_lua_getfield(L, 2, "will") == LUA_TTABLE) {
    lua_getfield(L, 5, "properties");
    will = (hf_link_will){.topic = bytes_field(L, 5, "topic"),
                          .payload = bytes_field(L, 5, "payload"),
                          .properties = read_properties(L, 6, &will_properties),
                          .qos = (uint8_t)number_field(L, 5, "qos", 0),
                          .retain = flag_field(L, 5, "retain")};
    attempt.will = &will;
  }
  if (!probe->operations->open(probe->link, ++probe->generation, &attempt)) return luaL_error(L, "not enough memory");
  lua_pushinteger(L, (lua_Integer)probe->generation);
  return 1;
}

static void take_carried(void *context, hf_publish *publish) {
  hf_publish **first = context;
  if (!publish->packet_id) {
    hf_publish_free(publish);
    return;
  }
  publish->mail.next = *first ? &(*first)->mail : NULL;
  *first = publish;
}

/* link:resume(path, client id): as the keeper does it for a client with a store, which is let go when the link is
 * destroyed. Before the first `open`. */
static int resume(lua_State *L) {
  hf_probe *probe = check(L);
  const char *client_id = luaL_checkstring(L, 3);
  hf_store_problem problem;
  hf_publish *carried = NULL;
  probe->store = hf_store_open(luaL_checkstring(L, 2), client_id, &problem);
  if (!probe->store || !hf_store_read(probe->store, take_carried, &carried, &problem))
    return luaL_error(L, "%s", problem.text);
  probe->operations->resume(probe->link, probe->store, client_id, carried);
  return 0;
}

/* link:keep(id, payload): puts a message of QoS 2 into the store, as `post` does; then link:publish it. */
static int keep(lua_State *L) {
  hf_probe *probe = check(L);
  hf_bytes payload;
  payload.data = luaL_checklstring(L, 3, &payload.length);
  hf_publish *publish = hf_publish_new((hf_bytes){"a", 1}, payload, NULL);
  publish->id = publish->place = (uint64_t)luaL_checkinteger(L, 2);
  publish->qos = 2;
  lua_pushboolean(L, hf_store_append(probe->store, publish) == HF_STORE_OK);
  hf_publish_free(publish);
  return 1;
}

/* link:clear() -> whether an attempt may begin now; if so, open or abandon it */
static int clear(lua_State *L) {
  hf_probe *probe = check(L);
  lua_pushboolean(L, !probe->operations->clear || probe->operations->clear(probe->link));
  return 1;
}

static int abandon(lua_State *L) {
  hf_probe *probe = check(L);
  probe->operations->abandon(probe->link);
  return 0;
}

/* link:publish(id, topic, payload[, qos[, retain[, properties]]]) -> whether the link took it */
static int publish(lua_State *L) {
  hf_probe *probe = check(L);
  hf_bytes topic, payload;
  topic.data = luaL_checklstring(L, 3, &topic.length);
  payload.data = luaL_checklstring(L, 4, &payload.length);
  hf_given_properties given;
  hf_publish *publish = hf_publish_new(topic, payload, read_properties(L, 7, &given));
  publish->id = publish->place = (uint64_t)luaL_checkinteger(L, 2);
  publish->qos = (uint8_t)luaL_optinteger(L, 5, 0);
  publish->retain = lua_toboolean(L, 6);
  bool taken = probe->operations->publish(probe->link, publish);
  if (!taken) hf_publish_free(publish);
  lua_pushboolean(L, taken);
  return 1;
}

/* link:again(id) -> whether the link took one once more that came back as lost, and carried */
static int again(lua_State *L) {
  hf_probe *probe = check(L);
  uint64_t id = (uint64_t)luaL_checkinteger(L, 2);
  hf_publish **at = &probe->carried;
  while (*at && (*at)->id != id)
    at = (hf_publish **)(void *)&(*at)->mail.next;
  hf_publish *publish = *at;
  luaL_argcheck(L, publish, 2, "not carried");
  hf_publish *next = (hf_publish *)publish->mail.next;
  bool taken = probe->operations->publish(probe->link, publish);
  if (taken) *at = next;
  lua_pushboolean(L, taken);
  return 1;
}

/* link:subscribe(ticket, filter[, qos[, options]]), link:unsubscribe(ticket, filter[, nil, options]) */
static int ask(lua_State *L, bool subscribe) {
  hf_probe *probe = check(L);
  hf_subscription_request request = {.ticket = (uint32_t)luaL_checkinteger(L, 2), .subscribe = subscribe};
  request.filter.data = luaL_checklstring(L, 3, &request.filter.length);
  request.options.qos = (uint8_t)luaL_optinteger(L, 4, 0);
  hf_given_properties given;
  lua_settop(L, 5);
  request.properties = read_properties(L, 5, &given);
  if (request.properties) {
    request.options.no_local = flag_field(L, 5, "no_local");
    request.options.retain_as_published = flag_field(L, 5, "retain_as_published");
    request.options.retain_handling = (uint8_t)number_field(L, 5, "retain_handling", 0);
    request.options.identifier = number_field(L, 5, "identifier", 0);
  }
  lua_pushboolean(L,
                  (subscribe ? probe->operations->subscribe : probe->operations->unsubscribe)(probe->link, &request));
  return 1;
}

static int subscribe(lua_State *L) {
  return ask(L, true);
}

static int unsubscribe(lua_State *L) {
  return ask(L, false);
}

static int probe_broker(lua_State *L) {
  hf_probe *probe = check(L);
  lua_pushboolean(L, probe->operations->probe(probe->link, (uint32_t)luaL_checkinteger(L, 2)));
  return 1;
}

/* link:close([reason code, -1: without a word[, session expiry[, timeout]]]) */
static int close_link(lua_State *L) {
  hf_probe *probe = check(L);
  probe->operations->close(probe->link, (hf_link_farewell)luaL_optinteger(L, 2, 0), (int64_t)luaL_optnumber(L, 3, -1),
                           (uint32_t)luaL_optinteger(L, 4, 1000));
  return 0;
}

static int destroy(lua_State *L) {
  hf_probe *probe = luaL_checkudata(L, 1, class_name);
  if (probe->link) probe->operations->destroy(probe->link);
  probe->link = NULL;
  hf_store_free(probe->store);
  probe->store = NULL;
  return 0;
}

static int window(lua_State *L) {
  lua_pushinteger(L, check(L)->operations->window);
  return 1;
}

/* link:allow(messages): of QoS 1 and 2; at first there is no bound */
static int allow(lua_State *L) {
  hf_probe *probe = check(L);
  probe->operations->allow(probe->link, (size_t)luaL_checkinteger(L, 2));
  return 0;
}

/* link:hold(): from now on messages are acknowledged by link:acknowledge(qos, receipt) alone, no more by link:take */
static int hold_acknowledgements(lua_State *L) {
  check(L)->holds = true;
  return 0;
}

static int acknowledge(lua_State *L) {
  hf_probe *probe = check(L);
  probe->operations->acknowledge(probe->link, (uint8_t)luaL_checkinteger(L, 2), (uint64_t)luaL_checknumber(L, 3));
  return 0;
}

static int figures(lua_State *L) {
  hf_probe *probe = check(L);
  hf_link_figures now;
  probe->operations->figures(probe->link, &now);
  lua_newtable(L);
  const struct {
    const char *name;
    uint64_t value;
  } fields[] = {{"progress", now.progress},           {"forgotten", now.forgotten},   {"dropped", now.dropped},
                {"held_messages", now.held_messages}, {"held_bytes", now.held_bytes}, {"open", now.open}};
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    lua_pushnumber(L, (lua_Number)fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

/* ---- mails ---- */

static void turn(int64_t until) {
  int64_t due = hf_loop_due(&loop);
  hf_pollset_wait(loop.pollset, due < until ? due : until, &loop.now);
  hf_loop_fire(&loop);
  hf_loop_run(&loop);
}

static hf_mail *next_mail(hf_probe *probe, int64_t deadline) {
  for (;;) {
    if (!probe->taken) probe->taken = hf_mailbox_take_all(probe->mailbox);
    hf_mail *mail = probe->taken;
    if (mail) {
      probe->taken = mail->next;
      return mail;
    }
    int64_t left = deadline - hf_clock_ms();
    if (probe->operations == &hf_link_native) {
      turn(deadline);
      if (left > 0 || (probe->taken = hf_mailbox_take_all(probe->mailbox))) continue;
    }
    if (left <= 0) return NULL;
    struct pollfd watched = {.fd = hf_mailbox_descriptor(probe->mailbox), .events = POLLIN};
    poll(&watched, 1, (int)left);
  }
}

/* link:take([timeout]) -> the next mail | nil; also after destroy */
static int take(lua_State *L) {
  hf_probe *probe = luaL_checkudata(L, 1, class_name);
  hf_mail *mail = next_mail(probe, hf_clock_ms() + (int64_t)luaL_optnumber(L, 2, 0));
  if (!mail) return 0;
  hf_link_mail_show(L, mail, probe);
  const hf_publish *publish = mail->kind == HF_LINK_DELIVERED ? (const hf_publish *)mail : NULL;
  if (publish && publish->carried && publish->result == HF_LINK_RESULT_LOST) {
    mail->next = probe->carried ? &probe->carried->mail : NULL;
    probe->carried = (hf_publish *)mail;
    return 1;
  }
  const hf_message *message = mail->kind == HF_LINK_MESSAGE ? (const hf_message *)mail : NULL;
  if (message && message->receipt && !probe->holds && probe->link)
    probe->operations->acknowledge(probe->link, message->qos, message->receipt);
  hf_link_mail_free(mail);
  return 1;
}

static int collect(lua_State *L) {
  hf_probe *probe = luaL_checkudata(L, 1, class_name);
  destroy(L);
  while (probe->taken) {
    hf_mail *mail = probe->taken;
    probe->taken = mail->next;
    hf_link_mail_free(mail);
  }
  while (probe->carried) {
    hf_publish *publish = probe->carried;
    probe->carried = (hf_publish *)publish->mail.next;
    hf_publish_free(publish);
  }
  if (probe->mailbox) hf_mailbox_release(probe->mailbox);
  probe->mailbox = NULL;
  return 0;
}

/* ---- for measuring: no Lua a message ---- */

static double cpu_us(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* link:blast(count, topic, payload, qos) -> ms until all are delivered, CPU us of the process; other mails are freed */
static int blast(lua_State *L) {
  hf_probe *probe = check(L);
  int64_t count = (int64_t)luaL_checknumber(L, 2), given = 0, done = 0, begun = hf_clock_us();
  hf_bytes topic, payload;
  topic.data = luaL_checklstring(L, 3, &topic.length);
  payload.data = luaL_checklstring(L, 4, &payload.length);
  uint8_t qos = (uint8_t)luaL_checkinteger(L, 5);
  double cpu = cpu_us();
  while (done < count) {
    while (given < count && given - done < probe->operations->window) {
      hf_publish *publish = hf_publish_new(topic, payload, NULL);
      publish->qos = qos;
      if (!probe->operations->publish(probe->link, publish)) {
        hf_publish_free(publish);
        break;
      }
      given++;
    }
    hf_mail *mail = next_mail(probe, hf_clock_ms() + 10000);
    if (!mail) return luaL_error(L, "stuck after %d of %d", (int)done, (int)count);
    done += mail->kind == HF_LINK_DELIVERED;
    hf_link_mail_free(mail);
  }
  lua_pushnumber(L, (lua_Number)(hf_clock_us() - begun) / 1e3);
  lua_pushnumber(L, cpu_us() - cpu);
  return 2;
}

/* link:swallow(count, timeout) -> ms from the first message to the last, CPU us */
static int swallow(lua_State *L) {
  hf_probe *probe = check(L);
  int64_t count = (int64_t)luaL_checknumber(L, 2), got = 0, begun = 0;
  int64_t timeout = (int64_t)luaL_checknumber(L, 3);
  double cpu = 0;
  while (got < count) {
    hf_mail *mail = next_mail(probe, hf_clock_ms() + timeout);
    if (!mail) return luaL_error(L, "%d of %d messages", (int)got, (int)count);
    const hf_message *message = mail->kind == HF_LINK_MESSAGE ? (const hf_message *)mail : NULL;
    if (message && got++ == 0) {
      begun = hf_clock_us();
      cpu = cpu_us();
    }
    if (message && message->receipt) probe->operations->acknowledge(probe->link, message->qos, message->receipt);
    hf_link_mail_free(mail);
  }
  lua_pushnumber(L, (lua_Number)(hf_clock_us() - begun) / 1e3);
  lua_pushnumber(L, cpu_us() - cpu);
  return 2;
}

/* ---- the scripted link ---- */

/* script { connect = "accept" | "refuse" | "silent", refuse_code, hold, session_present } after a reset */
static int script(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  hf_fake_reset();
  hf_fake_script *now = hf_fake_script_now();
  const char *how = text_field(L, 1, "connect", "accept");
  now->connect = how[0] == 'a' ? HF_FAKE_ACCEPT : how[0] == 'r' ? HF_FAKE_REFUSE : HF_FAKE_SILENT;
  now->refuse_source = HF_SOURCE_CONNACK;
  now->refuse_code = (int)number_field(L, 1, "refuse_code", 0x87);
  return 0;
}

static int hold(lua_State *L) {
  hf_fake_script_now()->hold_publishes = hf_fake_script_now()->hold_subscriptions = lua_toboolean(L, 1);
  return 0;
}

static int fake_drop(lua_State *L) {
  hf_fake_drop(check(L)->link, HF_SOURCE_NETWORK, HF_NETWORK_CONNECTION_LOST);
  return 0;
}

static int fake_release(lua_State *L) {
  hf_fake_release(check(L)->link);
  return 0;
}

int luaopen_link_probe(lua_State *L) {
  static const luaL_Reg methods[] = {{"open", open_link},
                                     {"resume", resume},
                                     {"keep", keep},
                                     {"clear", clear},
                                     {"abandon", abandon},
                                     {"publish", publish},
                                     {"again", again},
                                     {"subscribe", subscribe},
                                     {"unsubscribe", unsubscribe},
                                     {"probe", probe_broker},
                                     {"close", close_link},
                                     {"destroy", destroy},
                                     {"window", window},
                                     {"allow", allow},
                                     {"hold", hold_acknowledgements},
                                     {"acknowledge", acknowledge},
                                     {"figures", figures},
                                     {"take", take},
                                     {"blast", blast},
                                     {"swallow", swallow},
                                     {"fake_drop", fake_drop},
                                     {"fake_release", fake_release},
                                     {"__gc", collect},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"create", create}, {"fake_script", script}, {"fake_hold", hold}, {"join_quic", join_quic}, {NULL, NULL}};
  /* The keeper's thread has every signal blocked; this one plays it, and a write to a dead broker must not kill it. */
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, NULL);
  if (!loop.pollset) hf_loop_init(&loop, hf_pollset_new());
  luaL_newmetatable(L, class_name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
