/* The settings table that lua/holdfast/options.lua has validated, as the keeper's options. Types are checked again,
 * because a crash is no way to learn of a mistake; ranges are not. */

#include <string.h>

#include "lua/binding.h"
#include "lua/pure.h"

typedef struct reader {
  lua_State *L;
  hf_client_options *options;
} reader;

static void bad(lua_State *L, const char *name, const char *wanted) {
  luaL_error(L, "holdfast.core: setting '%s' must be %s, not a %s", name, wanted, luaL_typename(L, -1));
}

static void *need(lua_State *L, void *memory) {
  if (!memory) luaL_error(L, "holdfast: not enough memory for a client");
  return memory;
}

static uint64_t whole(lua_State *L, int index, const char *name, uint64_t most) {
  return hf_lua_whole_field(L, index, name, most, 0);
}

static bool flag(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* A copy that lives with the options; data NULL when there is none. */
static hf_bytes text(reader *r, int index, const char *name) {
  hf_bytes bytes = {NULL, 0};
  if (hf_lua_getfield(r->L, index, name) == LUA_TSTRING) {
    const char *value = lua_tolstring(r->L, -1, &bytes.length);
    bytes.data = need(r->L, hf_options_copy(r->options, value, bytes.length));
  } else if (!lua_isnil(r->L, -1)) {
    bad(r->L, name, "a string");
  }
  lua_pop(r->L, 1);
  return bytes;
}

static bool open_table(lua_State *L, int index, const char *name) {
  int type = hf_lua_getfield(L, index, name);
  if (type == LUA_TTABLE) return true;
  if (type != LUA_TNIL) bad(L, name, "a table");
  lua_pop(L, 1);
  return false;
}

static const hf_properties *properties(reader *r, int index, const char *what) {
  hf_properties given;
  const hf_properties *kept = NULL;
  lua_getfield(r->L, index, "properties");
  const hf_properties *found = hf_lua_check_properties(r->L, -1, what, &given);
  if (found) {
    void *memory = need(r->L, hf_options_allocate(r->options, sizeof *found + hf_properties_weight(found)));
    kept = hf_properties_copy_into(memory, found);
  }
  lua_pop(r->L, 2);
  return kept;
}

static hf_road road(lua_State *L, int index) {
  lua_getfield(L, index, "road");
  const char *name = lua_tostring(L, -1);
  int found = name ? hf_road_find(name) : HF_ROAD_TCP;
  lua_pop(L, 1);
  if (found < 0) bad(L, "road", "a road to a server");
  return (hf_road)found;
}

/* One that is asked for before each attempt: until then there is none. */
static void no_server(reader *r) {
  r->options->servers = need(r->L, hf_options_allocate(r->options, sizeof(hf_server)));
  r->options->servers->host = "";
  r->options->engine.server_count = 1;
}

static void servers(reader *r, int index) {
  lua_State *L = r->L;
  if (!open_table(L, index, "servers")) bad(L, "servers", "a table");
  size_t count = hf_lua_length(L, -1);
  if (count < 1 || count > UINT16_MAX) luaL_error(L, "holdfast.core: setting 'servers' must have 1 to 65535 entries");
  r->options->servers = need(L, hf_options_allocate(r->options, count * sizeof(hf_server)));
  r->options->engine.server_count = (uint16_t)count;
  for (size_t i = 0; i < count; i++) {
    hf_server *server = &r->options->servers[i];
    if (hf_lua_rawgeti(L, -1, (int)i + 1) != LUA_TTABLE) bad(L, "servers", "a list of tables");
    int at = lua_gettop(L);
    server->host = text(r, at, "host").data;
    server->text = text(r, at, "text").data;
    server->port = (uint16_t)whole(L, at, "port", UINT16_MAX);
    server->road = road(L, at);
    server->path = text(r, at, "path").data;
    server->tls = flag(L, at, "tls");
    server->ipv6 = flag(L, at, "ipv6");
    server->service = flag(L, at, "service");
    if (!server->host || !server->text) luaL_error(L, "holdfast.core: a server needs 'host' and 'text'");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static hf_link_will *will(reader *r, int index) {
  if (!open_table(r->L, index, "will")) return NULL;
  int at = lua_gettop(r->L);
  hf_link_will *will = need(r->L, hf_options_allocate(r->options, sizeof *will));
  will->topic = text(r, at, "topic");
  will->payload = text(r, at, "payload");
  will->qos = (uint8_t)whole(r->L, at, "qos", 2);
  will->retain = flag(r->L, at, "retain");
  will->properties = properties(r, at, "will");
  if (!will->topic.data) luaL_error(r->L, "holdfast.core: the will needs a 'topic'");
  lua_pop(r->L, 1);
  return will;
}

static const char *const *names(reader *r, int index, const char *field) {
  if (!open_table(r->L, index, field)) return NULL;
  size_t count = hf_lua_length(r->L, -1);
  const char **list = need(r->L, hf_options_allocate(r->options, (count + 1) * sizeof *list));
  for (size_t i = 0; i < count; i++) {
    size_t length;
    lua_rawgeti(r->L, -1, (int)i + 1);
    const char *name = lua_tolstring(r->L, -1, &length);
    if (!name) bad(r->L, field, "a list of strings");
    list[i] = need(r->L, hf_options_copy(r->options, name, length));
    lua_pop(r->L, 1);
  }
  lua_pop(r->L, 1);
  return list;
}

static hf_link_tls *tls(reader *r, int index) {
  if (!open_table(r->L, index, "tls")) return NULL;
  int at = lua_gettop(r->L);
  hf_link_tls *tls = need(r->L, hf_options_allocate(r->options, sizeof *tls));
  tls->ca = text(r, at, "ca").data;
  tls->cert = text(r, at, "cert").data;
  tls->key = text(r, at, "key").data;
  tls->key_password = text(r, at, "key_password").data;
  tls->psk_identity = text(r, at, "psk_identity").data;
  tls->psk_key = text(r, at, "psk_key");
  tls->crl = text(r, at, "crl").data;
  hf_bytes ocsp = text(r, at, "ocsp");
  if (ocsp.data) tls->ocsp = strcmp(ocsp.data, "require") == 0 ? HF_TLS_OCSP_REQUIRE : HF_TLS_OCSP_ASK;
  tls->alpn = names(r, at, "alpn");
  tls->pins = names(r, at, "pin");
  lua_getfield(r->L, at, "verify");
  tls->verify = lua_isnil(r->L, -1) || lua_toboolean(r->L, -1);
  lua_pop(r->L, 2);
  return tls;
}

/* To a proxy itself. Whose key is pinned is the broker, where that can have one. */
static hf_link_tls proxy_tls(const hf_client_options *options) {
  const hf_link_tls *tls = hf_options_tls(options);
  bool has_broker = options->ask_server;
  for (size_t i = 0; i < options->engine.server_count; i++)
    has_broker = has_broker || options->servers[i].tls;
  return (hf_link_tls){
      .ca = tls->ca, .crl = tls->crl, .ocsp = tls->ocsp, .pins = has_broker ? NULL : tls->pins, .verify = tls->verify};
}

static void authentication(reader *r) {
  if (!open_table(r->L, 1, "auth")) return;
  int at = lua_gettop(r->L);
  hf_auth_options *auth = &r->options->auth;
  auth->method = text(r, at, "method").data;
  auth->username = text(r, at, "username");
  auth->password = text(r, at, "password");
  auth->ask_first = flag(r->L, at, "ask_first");
  if (!auth->method) luaL_error(r->L, "holdfast.core: auth needs a 'method'");
  if (auth->password.data) auth->hash = hf_scram_find(auth->method);
  auth->binds = auth->hash != HF_SCRAM_NONE && hf_scram_binds(auth->method);
  lua_pop(r->L, 1);
}

static hf_backoff_options backoff(lua_State *L, int index, const char *name) {
  hf_backoff_options options;
  if (!open_table(L, index, name)) bad(L, name, "a table");
  const char *problem = hf_lua_backoff_options(L, lua_gettop(L), &options);
  if (problem) luaL_error(L, "holdfast.core: setting '%s': %s", name, problem);
  lua_pop(L, 1);
  return options;
}

static const hf_class_rule *rules(reader *r, int index) {
  if (!open_table(r->L, index, "rules")) return NULL;
  hf_class_rule *rules = need(r->L, hf_options_allocate(r->options, hf_reason_count() * sizeof *rules));
  hf_lua_class_rules(r->L, -1, rules);
  lua_pop(r->L, 1);
  return rules;
}

static void bounds(lua_State *L, int index, const char *name, size_t *messages, size_t *bytes) {
  if (!open_table(L, index, name)) bad(L, name, "a table");
  int at = lua_gettop(L);
  *messages = (size_t)whole(L, at, "messages", SIZE_MAX / 2);
  *bytes = (size_t)whole(L, at, "bytes", SIZE_MAX / 2);
  lua_pop(L, 1);
}

static double number(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  if (lua_type(L, -1) != LUA_TNUMBER) bad(L, name, "a number");
  double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static void limits(lua_State *L, hf_client_options *options) {
  if (!open_table(L, 1, "limits")) return;
  int at = lua_gettop(L);
  options->publish_per_second = number(L, at, "publish_per_second");
  options->publish_burst = number(L, at, "burst");
  options->bytes_per_second = number(L, at, "bytes_per_second");
  lua_pop(L, 1);
}

static void overflow(lua_State *L, hf_client_options *options) {
  static const char *const policies[] = {"reject", "drop_oldest", "drop_newest"}; /* as hf_overflow */
  lua_getfield(L, 1, "queue");
  lua_getfield(L, -1, "overflow");
  const char *given = lua_tostring(L, -1);
  for (uint8_t i = 0; given && i < sizeof policies / sizeof policies[0]; i++)
    if (strcmp(given, policies[i]) == 0) options->overflow = i;
  lua_pop(L, 2);
}

static void store(reader *r, int index) {
  if (!open_table(r->L, index, "queue")) bad(r->L, "queue", "a table");
  int at = lua_gettop(r->L);
  r->options->store = text(r, at, "store").data;
  r->options->store_sync = (uint32_t)whole(r->L, at, "sync", UINT32_MAX);
  lua_pop(r->L, 1);
}

static uint8_t transport(lua_State *L, int index) {
  lua_getfield(L, index, "transport");
  const char *given = lua_tostring(L, -1);
  uint8_t transport = given && strcmp(given, "native") == 0 ? HF_TRANSPORT_NATIVE : HF_TRANSPORT_PAHO;
  lua_pop(L, 1);
  return transport;
}

static const hf_proxy *proxy(reader *r, int index, const char *name) {
  const char *problem = NULL;
  hf_proxy *kept = NULL;
  size_t length;
  if (hf_lua_getfield(r->L, index, name) == LUA_TSTRING) {
    const char *given = lua_tolstring(r->L, -1, &length);
    kept = need(r->L, hf_options_allocate(r->options, sizeof *kept));
    problem = hf_proxy_parse((hf_bytes){given, length}, kept);
  }
  if (problem) luaL_error(r->L, "holdfast.core: setting '%s' %s", name, problem);
  lua_pop(r->L, 1);
  return kept;
}

static int read_all(lua_State *L) {
  hf_client_options *o = lua_touserdata(L, 2);
  reader r = {L, o};
  lua_settop(L, 1);
  o->ask_server = flag(L, 1, "ask_server");
  if (o->ask_server)
    no_server(&r);
  else
    servers(&r, 1);
  hf_bytes id = text(&r, 1, "client_id");
  o->client_id = id.data ? id.data : "";
  o->username = text(&r, 1, "username");
  o->password = text(&r, 1, "password");
  o->headers = text(&r, 1, "headers").data;
  o->proxy = proxy(&r, 1, "proxy");
  o->proxy_secure = proxy(&r, 1, "proxy_secure");
  o->no_proxy = text(&r, 1, "no_proxy").data;
  o->transport = transport(L, 1);
  o->window = (uint16_t)whole(L, 1, "window", UINT16_MAX);
  o->detect_within = (uint32_t)whole(L, 1, "detect_within", UINT32_MAX);
  o->protocol = (uint8_t)whole(L, 1, "protocol", 5);
  o->fallback = flag(L, 1, "fallback");
  o->keep_alive = (uint16_t)whole(L, 1, "keep_alive", UINT16_MAX);
  o->clean_start = flag(L, 1, "clean_start");
  o->session_expiry = (uint32_t)whole(L, 1, "session_expiry", UINT32_MAX);
  o->end_session = flag(L, 1, "end_session");
  o->watch_network = flag(L, 1, "watch_network");
  o->zero_rtt = flag(L, 1, "zero_rtt");
  o->ask_credentials = flag(L, 1, "ask_credentials");
  o->ask_headers = flag(L, 1, "ask_headers");
  o->ask_proxy = flag(L, 1, "ask_proxy");
  o->ask_delay = flag(L, 1, "ask_delay");
  o->inspect = flag(L, 1, "inspect");
  o->receive_maximum = (uint16_t)whole(L, 1, "receive_maximum", UINT16_MAX);
  o->maximum_packet_size = (uint32_t)whole(L, 1, "maximum_packet_size", UINT32_MAX);
  o->return_to_primary = (uint32_t)whole(L, 1, "return_to_primary", UINT32_MAX);
  o->redirect_hops = (uint8_t)whole(L, 1, "redirect_hops", UINT8_MAX);
  o->redirect_allow = names(&r, 1, "redirect_allow");
  o->properties = properties(&r, 1, "connect");
  authentication(&r);
  o->will = will(&r, 1);
  o->tls = tls(&r, 1);
  o->proxy_tls = proxy_tls(o);
  bounds(L, 1, "queue", &o->queue_messages, &o->queue_bytes);
  overflow(L, o);
  limits(L, o);
  store(&r, 1);
  bounds(L, 1, "inbox", &o->inbox_messages, &o->inbox_bytes);
  o->engine.connect_timeout = (uint32_t)whole(L, 1, "connect_timeout", UINT32_MAX);
  o->engine.stable_after = (uint32_t)whole(L, 1, "stable_after", UINT32_MAX);
  o->engine.max_attempts = (uint32_t)whole(L, 1, "max_attempts", UINT32_MAX);
  o->engine.sleep_for = (uint32_t)whole(L, 1, "sleep_for", UINT32_MAX);
  o->engine.backoff = backoff(L, 1, "backoff");
  o->engine.slow = backoff(L, 1, "slow");
  o->engine.rules = rules(&r, 1);
  hf_options_pair(o);
  return 0;
}

hf_client_options *hf_lua_settings(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushcfunction(L, read_all); /* before the options exist: nothing can leak by an error in here */
  lua_pushvalue(L, index);
  hf_client_options *options = need(L, hf_options_new());
  lua_pushlightuserdata(L, options);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    hf_options_free(options);
    lua_error(L);
  }
  return options;
}
