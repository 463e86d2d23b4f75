/* store_probe: csrc/store by itself, as the Lua module `store_probe`.
 *
 *   local store, text, word = probe.open(path, "client")     -- nil, text, word when it is refused
 *   store:append { id = 1, topic = "a", payload = "b", qos = 1 }
 *   store:read()                                             -- what is kept, in order
 *
 * What fails is nil, text, word. Call on the thread of the lua_State.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/wire.h"
#include "famine.h"
#include "lua/compat.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "sys/library.h"

static const char *const class_name = "store_probe.store";

typedef struct handle {
  hf_store *store;
} handle;

static hf_store *check(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, class_name);
  luaL_argcheck(L, h->store, 1, "freed");
  return h->store;
}

static int failed(lua_State *L, const hf_store_problem *problem) {
  lua_pushnil(L);
  lua_pushstring(L, problem->text);
  lua_pushstring(L, hf_store_word(problem->code));
  return 3;
}

static int done_or_trouble(lua_State *L, hf_store *store) {
  hf_store_problem problem;
  hf_store_trouble(store, &problem);
  if (problem.code) return failed(L, &problem);
  lua_pushboolean(L, true);
  return 1;
}

static int open_store(lua_State *L) {
  hf_store_problem problem;
  const char *path = luaL_checkstring(L, 1), *client_id = luaL_optstring(L, 2, "client");
  handle *h = hf_lua_newuserdata(L, sizeof *h);
  h->store = NULL;
  luaL_setmetatable(L, class_name);
  h->store = hf_store_open(path, client_id, &problem);
  return h->store ? 1 : failed(L, &problem);
}

static hf_bytes bytes_field(lua_State *L, const char *name, const char *otherwise) {
  hf_bytes bytes = {otherwise, otherwise ? strlen(otherwise) : 0};
  if (hf_lua_getfield(L, 2, name) == LUA_TSTRING) bytes.data = lua_tolstring(L, -1, &bytes.length);
  lua_pop(L, 1);
  return bytes;
}

static int64_t number_field(lua_State *L, const char *name, int64_t otherwise) {
  int64_t number = hf_lua_getfield(L, 2, name) == LUA_TNUMBER ? (int64_t)lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  return number;
}

static hf_publish *publish_at(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  hf_user_property user[2] = {{bytes_field(L, "user_name", ""), bytes_field(L, "user_value", "")},
                              {{"again", 5}, {"", 0}}};
  hf_properties given = {.content_type = bytes_field(L, "content_type", NULL),
                         .response_topic = bytes_field(L, "response_topic", NULL),
                         .correlation_data = bytes_field(L, "correlation_data", NULL),
                         .user = user,
                         .user_count = user[0].name.length ? 2 : 0};
  int64_t expiry = number_field(L, "message_expiry", -1), format = number_field(L, "payload_format", -1);
  if (expiry >= 0) given.present |= HF_PROPERTY_MESSAGE_EXPIRY;
  if (format >= 0) given.present |= HF_PROPERTY_PAYLOAD_FORMAT;
  given.message_expiry = (uint32_t)expiry;
  given.payload_format = (uint8_t)format;
  bool any = given.present || given.content_type.data || given.response_topic.data || given.correlation_data.data ||
             given.user_count;
  hf_publish *publish =
      hf_publish_new(bytes_field(L, "topic", "t"), bytes_field(L, "payload", ""), any ? &given : NULL);
  if (!publish) luaL_error(L, "no memory");
  publish->id = (uint64_t)number_field(L, "id", 0);
  publish->qos = (uint8_t)number_field(L, "qos", 1);
  publish->priority = (uint8_t)number_field(L, "priority", 0);
  lua_getfield(L, 2, "retain");
  publish->retain = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return publish;
}

static int append(lua_State *L) {
  hf_store *store = check(L);
  hf_publish *publish = publish_at(L);
  publish->deadline = number_field(L, "deadline", INT64_MAX);
  publish->expires = number_field(L, "expires", INT64_MAX);
  hf_store_code code = hf_store_append(store, publish);
  hf_publish_free(publish);
  if (code == HF_STORE_NO_MEMORY) return luaL_error(L, "no memory");
  if (code) return done_or_trouble(L, store);
  lua_pushboolean(L, true);
  return 1;
}

/* ---- what is kept ---- */

static void set_bytes(lua_State *L, const char *name, hf_bytes bytes) {
  if (!bytes.data) return;
  lua_pushlstring(L, bytes.data, bytes.length);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int64_t number) {
  lua_pushnumber(L, (lua_Number)number);
  lua_setfield(L, -2, name);
}

static void show_properties(lua_State *L, const hf_properties *properties) {
  if (!properties) return;
  set_bytes(L, "content_type", properties->content_type);
  set_bytes(L, "response_topic", properties->response_topic);
  set_bytes(L, "correlation_data", properties->correlation_data);
  if (properties->present & HF_PROPERTY_MESSAGE_EXPIRY) set_number(L, "message_expiry", properties->message_expiry);
  if (properties->present & HF_PROPERTY_PAYLOAD_FORMAT) set_number(L, "payload_format", properties->payload_format);
  if (properties->user_count == 0) return;
  set_bytes(L, "user_name", properties->user[0].name);
  set_bytes(L, "user_value", properties->user[0].value);
}

static void take(void *context, hf_publish *publish) {
  lua_State *L = context;
  lua_createtable(L, 0, 10);
  set_number(L, "id", (int64_t)publish->id);
  set_bytes(L, "topic", publish->topic);
  set_bytes(L, "payload", publish->payload);
  set_number(L, "qos", publish->qos);
  if (publish->priority) set_number(L, "priority", publish->priority);
  if (publish->retain) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "retain");
  }
  if (publish->deadline != INT64_MAX) set_number(L, "deadline", publish->deadline);
  if (publish->expires != INT64_MAX) set_number(L, "expires", publish->expires);
  if (publish->packet_id) set_number(L, "packet_id", publish->packet_id);
  if (publish->released) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "released");
  }
  show_properties(L, publish->properties);
  lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  hf_publish_free(publish);
}

static int read_all(lua_State *L) {
  hf_store *store = check(L);
  hf_store_problem problem;
  lua_newtable(L);
  return hf_store_read(store, take, L, &problem) ? 1 : failed(L, &problem);
}

static void take_received(void *context, uint16_t packet_id, hf_bytes packet) {
  lua_State *L = context;
  lua_pushlstring(L, packet.data ? packet.data : "", packet.length);
  lua_rawseti(L, -2, packet_id);
}

static int read_received(lua_State *L) {
  lua_newtable(L);
  return hf_store_read_received(check(L), take_received, L) ? 1 : luaL_error(L, "cannot be read");
}

/* ---- the rest ---- */

static uint64_t number(lua_State *L, int index) {
  return (uint64_t)luaL_checknumber(L, index);
}

#define CALL(name, call)                                                                                               \
  static int name(lua_State *L) {                                                                                      \
    hf_store *store = check(L);                                                                                        \
    call;                                                                                                              \
    return done_or_trouble(L, store);                                                                                  \
  }

CALL(claim, hf_store_claim(store, number(L, 2)))
CALL(done, hf_store_done(store, number(L, 2)))
CALL(commit, hf_store_commit(store))
CALL(sent, hf_store_sent(store, (uint16_t)number(L, 2), number(L, 3)))
CALL(released, hf_store_released(store, (uint16_t)number(L, 2)))
CALL(completed, hf_store_completed(store, (uint16_t)number(L, 2)))
CALL(begin_session, hf_store_begin_session(store, (uint8_t)number(L, 2)))
CALL(tend, hf_store_tend(store))
CALL(trouble, (void)0)

/* note("sent", packet id, number or packet) -> its place; noted() -> up to which one all are written */
static int note(lua_State *L) {
  static const char *const kinds[] = {"session", "sent", "released", "received", "completed", NULL};
  hf_store_note made = {.kind = (hf_store_note_kind)luaL_checkoption(L, 2, NULL, kinds),
                        .packet_id = (uint16_t)number(L, 3)};
  if (made.kind == HF_STORE_NOTE_RECEIVED)
    made.packet.data = luaL_checklstring(L, 4, &made.packet.length);
  else
    made.number = (uint64_t)luaL_optnumber(L, 4, 0);
  lua_pushnumber(L, (lua_Number)hf_store_take_note(check(L), made));
  return 1;
}

static int noted(lua_State *L) {
  lua_pushnumber(L, (lua_Number)hf_store_noted(check(L)));
  return 1;
}

/* news() -> word, text; nothing if there are none */
static int news(lua_State *L) {
  hf_store_problem problem;
  if (!hf_store_news(check(L), &problem)) return 0;
  lua_pushstring(L, hf_store_word(problem.code));
  lua_pushstring(L, problem.text);
  return 2;
}

static int well(lua_State *L) {
  lua_pushboolean(L, hf_store_well(check(L)));
  return 1;
}

static int mid_exchange(lua_State *L) {
  lua_pushboolean(L, hf_store_mid_exchange(check(L)));
  return 1;
}

/* starve(n): the n-th request for memory from now on fails, 0: none -> whether the one before did */
static int starve(lua_State *L) {
  lua_pushboolean(L, famine_has_failed());
  famine_fail((long)luaL_checkinteger(L, 1));
  return 1;
}

static int refusal(lua_State *L) {
  hf_store_problem problem;
  hf_store_refusal(check(L), &problem);
  lua_pushstring(L, hf_store_word(problem.code));
  return 1;
}

static int sync_now(lua_State *L) {
  lua_pushstring(L, hf_store_word(hf_store_sync(check(L))));
  return 1;
}

static int received(lua_State *L) {
  hf_bytes packet;
  packet.data = luaL_checklstring(L, 3, &packet.length);
  hf_store_received(check(L), (uint16_t)number(L, 2), packet);
  return done_or_trouble(L, check(L));
}

static int next_id(lua_State *L) {
  lua_pushnumber(L, (lua_Number)hf_store_next_id(check(L)));
  return 1;
}

static int protocol(lua_State *L) {
  lua_pushinteger(L, hf_store_protocol(check(L)));
  return 1;
}

static const unsigned char *ticket_key(lua_State *L) {
  size_t length;
  const char *key = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, length == HF_STORE_TICKET_KEY, 2, "a key of 32 bytes wanted");
  return (const unsigned char *)key;
}

/* keep_ticket(key, secret); ticket(key) -> what is kept under it, "" if nothing */
static int keep_ticket(lua_State *L) {
  hf_bytes secret;
  secret.data = luaL_checklstring(L, 3, &secret.length);
  hf_store_keep_ticket(check(L), ticket_key(L), secret);
  return 0;
}

static int ticket(lua_State *L) {
  hf_bytes secret = hf_store_ticket_of(check(L), ticket_key(L));
  lua_pushlstring(L, secret.data ? secret.data : "", secret.length);
  free((char *)secret.data);
  return 1;
}

static int wants_commit(lua_State *L) {
  lua_pushboolean(L, hf_store_wants_commit(check(L)));
  return 1;
}

static int wants_tending(lua_State *L) {
  lua_pushboolean(L, hf_store_wants_tending(check(L)));
  return 1;
}

static int close_store(lua_State *L) {
  hf_store_close(check(L));
  return 0;
}

static int collect(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, class_name);
  hf_store_free(h->store);
  h->store = NULL;
  return 0;
}

/* file_size(bytes): what any file of this process may grow to from now on; writes past it fail like those on a full
 * disk. 0: no bound. */
static int file_size(lua_State *L) {
  struct rlimit limit = {.rlim_cur = (rlim_t)luaL_checknumber(L, 1), .rlim_max = RLIM_INFINITY};
  if (limit.rlim_cur == 0) limit.rlim_cur = RLIM_INFINITY;
  signal(SIGXFSZ, SIG_IGN);
  lua_pushboolean(L, setrlimit(RLIMIT_FSIZE, &limit) == 0);
  return 1;
}

/* mode(path) -> its permissions, as "600"; link(path, name): the name leads there */
static int mode(lua_State *L) {
  struct stat about;
  if (stat(luaL_checkstring(L, 1), &about) != 0) return 0;
  lua_pushfstring(L, "%d%d%d", (int)(about.st_mode >> 6 & 7), (int)(about.st_mode >> 3 & 7), (int)(about.st_mode & 7));
  return 1;
}

static int make_link(lua_State *L) {
  lua_pushboolean(L, symlink(luaL_checkstring(L, 1), luaL_checkstring(L, 2)) == 0);
  return 1;
}

/* sql(path, statements): what has been done to the file of a store that nobody has open */
static int sql(lua_State *L) {
  char problem[HF_LIBRARY_PROBLEM];
  sqlite3 *database = NULL;
  if (!hf_sqlite_load(problem)) return luaL_error(L, "%s", problem);
  int result = sqlite3_open_v2(luaL_checkstring(L, 1), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (!result) result = sqlite3_exec(database, luaL_checkstring(L, 2), NULL, NULL, NULL);
  sqlite3_close(database);
  if (result) return luaL_error(L, "SQLite says %d", result);
  return 0;
}

/* packet(publish, protocol, packet id) -> bytes: a PUBLISH as it goes over the wire */
static int packet(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, 1);
  hf_publish *publish = publish_at(L);
  size_t length;
  char *bytes = hf_wire_publish(publish, (uint8_t)luaL_checkinteger(L, 3), (uint16_t)luaL_checkinteger(L, 4), &length);
  lua_pushlstring(L, bytes, length);
  free(bytes);
  hf_publish_free(publish);
  return 1;
}

int luaopen_store_probe(lua_State *L) {
  static const luaL_Reg methods[] = {{"append", append},
                                     {"keep_ticket", keep_ticket},
                                     {"ticket", ticket},
                                     {"wants_commit", wants_commit},
                                     {"read", read_all},
                                     {"read_received", read_received},
                                     {"claim", claim},
                                     {"done", done},
                                     {"commit", commit},
                                     {"sent", sent},
                                     {"released", released},
                                     {"received", received},
                                     {"completed", completed},
                                     {"begin_session", begin_session},
                                     {"protocol", protocol},
                                     {"next_id", next_id},
                                     {"wants_tending", wants_tending},
                                     {"tend", tend},
                                     {"sync", sync_now},
                                     {"trouble", trouble},
                                     {"refusal", refusal},
                                     {"note", note},
                                     {"noted", noted},
                                     {"news", news},
                                     {"well", well},
                                     {"mid_exchange", mid_exchange},
                                     {"close", close_store},
                                     {"free", collect},
                                     {"__gc", collect},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"open", open_store}, {"file_size", file_size}, {"mode", mode}, {"link", make_link},
      {"packet", packet},   {"starve", starve},       {"sql", sql},   {NULL, NULL}};
  luaL_newmetatable(L, class_name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
