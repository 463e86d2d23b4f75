/* mqtt_probe: csrc/mqtt for specs, as the Lua module `mqtt_probe`.
 *
 * Bytes that are read are copied to a block of just their size, so that a
 * sanitizer sees one byte too far; what is written is counted first, and
 * written into just as much. Call on the thread of the lua_State.
 */
#include <stdlib.h>
#include <string.h>

#include "lua/compat.h"
#include "mqtt/aliases.h"
#include "mqtt/packet.h"
#include "mqtt/write.h"

#include "../fuzz/work.h"

/* ---- tables ---- */

static void set_number(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_bytes(lua_State *L, const char *name, hf_bytes bytes) {
  if (!bytes.data) return;
  lua_pushlstring(L, bytes.data, bytes.length);
  lua_setfield(L, -2, name);
}

static lua_Integer number_field(lua_State *L, int index, const char *name, lua_Integer otherwise) {
  lua_getfield(L, index, name);
  lua_Integer value = lua_isnil(L, -1) ? otherwise : luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return value;
}

static bool flag_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Valid while the table has the string. */
static hf_bytes bytes_field(lua_State *L, int index, const char *name) {
  hf_bytes bytes = {0};
  if (hf_lua_getfield(L, index, name) != LUA_TNIL) bytes.data = luaL_checklstring(L, -1, &bytes.length);
  lua_pop(L, 1);
  return bytes;
}

static hf_bytes check_bytes(lua_State *L, int index) {
  hf_bytes bytes;
  bytes.data = luaL_checklstring(L, index, &bytes.length);
  return bytes;
}

enum { MOST_USER = 16 };

typedef struct given_properties {
  hf_properties properties;
  hf_user_property user[MOST_USER];
} given_properties;

/* The table in the field `name`, or NULL. */
static const hf_properties *properties_field(lua_State *L, int index, const char *name, given_properties *given) {
  hf_properties *to = &given->properties;
  *to = (hf_properties){.user = given->user};
  if (hf_lua_getfield(L, index, name) == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  int table = lua_gettop(L);
  to->content_type = bytes_field(L, table, "content_type");
  to->response_topic = bytes_field(L, table, "response_topic");
  to->correlation_data = bytes_field(L, table, "correlation_data");
  to->payload_format = (uint8_t)number_field(L, table, "payload_format", 0);
  to->message_expiry = (uint32_t)number_field(L, table, "message_expiry", 0);
  to->will_delay = (uint32_t)number_field(L, table, "will_delay", 0);
  to->present = (number_field(L, table, "payload_format", -1) >= 0 ? HF_PROPERTY_PAYLOAD_FORMAT : 0u) |
                (number_field(L, table, "message_expiry", -1) >= 0 ? HF_PROPERTY_MESSAGE_EXPIRY : 0u) |
                (number_field(L, table, "will_delay", -1) >= 0 ? HF_PROPERTY_WILL_DELAY : 0u);
  if (hf_lua_getfield(L, table, "user") == LUA_TTABLE) {
    while (to->user_count < MOST_USER && hf_lua_rawgeti(L, -1, (int)to->user_count + 1) == LUA_TTABLE) {
      hf_user_property *pair = &given->user[to->user_count++];
      hf_lua_rawgeti(L, -1, 1);
      hf_lua_rawgeti(L, -2, 2);
      *pair = (hf_user_property){check_bytes(L, -2), check_bytes(L, -1)};
      lua_pop(L, 3);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return to;
}

static void push_properties(lua_State *L, const hf_properties *from) {
  lua_newtable(L);
  set_bytes(L, "content_type", from->content_type);
  set_bytes(L, "response_topic", from->response_topic);
  set_bytes(L, "correlation_data", from->correlation_data);
  set_bytes(L, "reason_string", from->reason_string);
  set_bytes(L, "server_reference", from->server_reference);
  if (from->present & HF_PROPERTY_PAYLOAD_FORMAT) set_number(L, "payload_format", from->payload_format);
  if (from->present & HF_PROPERTY_MESSAGE_EXPIRY) set_number(L, "message_expiry", (lua_Integer)from->message_expiry);
  if (from->user_count > 0) {
    lua_newtable(L);
    for (size_t i = 0; i < from->user_count; i++) {
      lua_newtable(L);
      lua_pushlstring(L, from->user[i].name.data, from->user[i].name.length);
      lua_rawseti(L, -2, 1);
      lua_pushlstring(L, from->user[i].value.data, from->user[i].value.length);
      lua_rawseti(L, -2, 2);
      lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "user");
  }
  if (from->subscription_identifier_count > 0) {
    lua_newtable(L);
    for (size_t i = 0; i < from->subscription_identifier_count; i++) {
      lua_pushinteger(L, (lua_Integer)from->subscription_identifiers[i]);
      lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "subscription_identifiers");
  }
}

/* ---- reading ---- */

static const char *const type_names[] = {NULL,      "connect",  "connack",    "publish", "puback",      "pubrec",
                                         "pubrel",  "pubcomp",  "subscribe",  "suback",  "unsubscribe", "unsuback",
                                         "pingreq", "pingresp", "disconnect", "auth"};

/* What the reader says of the properties, the values of those that are absent included. */
static void push_found(lua_State *L, const hf_packet_properties *from) {
  lua_newtable(L);
  set_bytes(L, "block", from->block);
  set_bytes(L, "reason_string", from->reason_string);
  set_bytes(L, "server_reference", from->server_reference);
  set_bytes(L, "assigned_client_id", from->assigned_client_id);
  set_bytes(L, "response_information", from->response_information);
  set_bytes(L, "authentication_method", from->authentication_method);
  set_bytes(L, "authentication_data", from->authentication_data);
  set_bytes(L, "content_type", from->content_type);
  set_bytes(L, "response_topic", from->response_topic);
  set_bytes(L, "correlation_data", from->correlation_data);
  set_number(L, "user_count", (lua_Integer)from->user_count);
  set_number(L, "subscription_identifier_count", (lua_Integer)from->subscription_identifier_count);
  set_number(L, "session_expiry", from->has_session_expiry ? (lua_Integer)from->session_expiry : -1);
  set_number(L, "server_keep_alive", from->has_server_keep_alive ? from->server_keep_alive : -1);
  set_number(L, "message_expiry", from->has_message_expiry ? (lua_Integer)from->message_expiry : -1);
  set_number(L, "payload_format", from->has_payload_format ? from->payload_format : -1);
  set_number(L, "topic_alias", from->has_topic_alias ? from->topic_alias : -1);
  set_number(L, "maximum_packet_size", (lua_Integer)from->maximum_packet_size);
  set_number(L, "receive_maximum", from->receive_maximum);
  set_number(L, "topic_alias_maximum", from->topic_alias_maximum);
  set_number(L, "maximum_qos", from->maximum_qos);
  set_flag(L, "retain_available", from->retain_available);
  set_flag(L, "wildcard_available", from->wildcard_available);
  set_flag(L, "identifiers_available", from->identifiers_available);
  set_flag(L, "shared_available", from->shared_available);
}

static void push_packet(lua_State *L, const hf_packet *packet) {
  lua_newtable(L);
  lua_pushstring(L, type_names[packet->type]);
  lua_setfield(L, -2, "type");
  set_number(L, "length", (lua_Integer)packet->length);
  set_number(L, "qos", packet->qos);
  set_flag(L, "duplicate", packet->duplicate);
  set_flag(L, "retain", packet->retain);
  set_flag(L, "session_present", packet->session_present);
  set_number(L, "code", packet->code);
  set_number(L, "packet_id", packet->packet_id);
  set_bytes(L, "topic", packet->topic);
  set_bytes(L, "payload", packet->payload);
  set_bytes(L, "codes", packet->codes);
  push_found(L, &packet->properties);
  lua_setfield(L, -2, "properties");
}

/* The message that a PUBLISH is, or the properties that an application sees, as `message` and `application`. */
static void push_copies(lua_State *L, const hf_packet *packet) {
  if (packet->type == HF_PACKET_PUBLISH) {
    hf_message *message = hf_packet_message(packet, packet->topic);
    lua_newtable(L);
    set_bytes(L, "topic", message->topic);
    set_bytes(L, "payload", message->payload);
    set_number(L, "qos", message->qos);
    set_flag(L, "retain", message->retain);
    set_flag(L, "duplicate", message->duplicate);
    const hf_properties sole = {.subscription_identifiers = &message->identifier, .subscription_identifier_count = 1};
    if (message->properties || message->identifier) {
      push_properties(L, message->identifier ? &sole : message->properties);
      lua_setfield(L, -2, "properties");
    }
    lua_setfield(L, -2, "message");
    hf_message_free(message);
  }
  hf_properties *application = hf_packet_application_properties(packet);
  if (!application) return;
  push_properties(L, application);
  lua_setfield(L, -2, "application");
  free(application);
}

/* read(protocol, bytes[, maximum_packet_size]) -> "packet", table | "more", length | "violation", code, text */
static int probe_read(lua_State *L) {
  hf_packet_rules rules = {.protocol = (uint8_t)luaL_checkinteger(L, 1),
                           .maximum_packet_size = (uint32_t)luaL_optinteger(L, 3, 0)};
  hf_bytes given = check_bytes(L, 2);
  char *exact = malloc(given.length ? given.length : 1);
  if (!exact) return luaL_error(L, "no memory");
  memcpy(exact, given.data, given.length);
  hf_packet packet;
  memset(&packet, 0xA5, sizeof packet); /* what the reader does not define is seen */
  hf_violation violation = {0};
  hf_read read = hf_packet_read(&rules, (hf_bytes){exact, given.length}, &packet, &violation);
  int count = 2;
  if (read == HF_READ_PACKET) {
    lua_pushliteral(L, "packet");
    push_packet(L, &packet);
    push_copies(L, &packet);
  } else if (read == HF_READ_MORE) {
    lua_pushliteral(L, "more");
    lua_pushinteger(L, (lua_Integer)packet.length);
  } else {
    lua_pushliteral(L, "violation");
    lua_pushinteger(L, violation.code);
    lua_pushstring(L, violation.text);
    count = 3;
  }
  free(exact);
  return count;
}

/* work(protocol, bytes) -> what it costs to read a PUBLISH and make a message of it (spec/fuzz/work.h) */
static int probe_work(lua_State *L) {
  hf_packet_rules rules = {.protocol = (uint8_t)luaL_checkinteger(L, 1)};
  hf_packet packet;
  hf_violation violation;
  uint64_t before = work_done;
  hf_read read = hf_packet_read(&rules, check_bytes(L, 2), &packet, &violation);
  hf_message *message = read == HF_READ_PACKET ? hf_packet_message(&packet, packet.topic) : NULL;
  uint64_t after = work_done;
  if (!message) return luaL_error(L, "no PUBLISH, or no memory");
  hf_message_free(message);
  lua_pushnumber(L, (lua_Number)(after - before));
  return 1;
}

/* ---- writing ---- */

/* Into a block of just the size that was counted. */
#define WRITE(L, call, ...)                                                                                            \
  do {                                                                                                                 \
    size_t counted = call(NULL, __VA_ARGS__);                                                                          \
    uint8_t *exact = malloc(counted);                                                                                  \
    if (!exact) return luaL_error(L, "no memory");                                                                     \
    size_t written = call(exact, __VA_ARGS__);                                                                         \
    lua_pushlstring(L, (char *)exact, written);                                                                        \
    free(exact);                                                                                                       \
    if (counted != written) return luaL_error(L, "%d bytes counted, %d written", (int)counted, (int)written);          \
  } while (0)

/* connect(fields) -> bytes; the fields are those of hf_connect */
static int probe_connect(lua_State *L) {
  given_properties own, will;
  luaL_checktype(L, 1, LUA_TTABLE);
  hf_bytes client_id = bytes_field(L, 1, "client_id");
  hf_connect connect = {
      .client_id = client_id.data ? client_id.data : "",
      .username = bytes_field(L, 1, "username"),
      .password = bytes_field(L, 1, "password"),
      .properties = properties_field(L, 1, "properties", &own),
      .will_topic = bytes_field(L, 1, "will_topic"),
      .will_payload = bytes_field(L, 1, "will_payload"),
      .will_properties = properties_field(L, 1, "will_properties", &will),
      .session_expiry = (uint32_t)number_field(L, 1, "session_expiry", 0),
      .maximum_packet_size = (uint32_t)number_field(L, 1, "maximum_packet_size", 0),
      .keep_alive = (uint16_t)number_field(L, 1, "keep_alive", 0),
      .receive_maximum = (uint16_t)number_field(L, 1, "receive_maximum", 0),
      .topic_alias_maximum = (uint16_t)number_field(L, 1, "topic_alias_maximum", 0),
      .protocol = (uint8_t)number_field(L, 1, "protocol", 5),
      .will_qos = (uint8_t)number_field(L, 1, "will_qos", 0),
      .will_retain = flag_field(L, 1, "will_retain"),
      .clean_start = flag_field(L, 1, "clean_start"),
  };
  WRITE(L, hf_write_connect, &connect);
  return 1;
}

/* publish{ protocol, topic, payload, qos, retain, duplicate, packet_id, alias, aliased, properties } -> bytes */
static int probe_publish(lua_State *L) {
  given_properties given;
  luaL_checktype(L, 1, LUA_TTABLE);
  const hf_properties *properties = properties_field(L, 1, "properties", &given);
  hf_publish publish = {
      .topic = bytes_field(L, 1, "topic"),
      .payload = bytes_field(L, 1, "payload"),
      .properties = (hf_properties *)(uintptr_t)properties,
      .qos = (uint8_t)number_field(L, 1, "qos", 0),
      .retain = flag_field(L, 1, "retain"),
  };
  WRITE(L, hf_write_publish_head, &publish, (uint8_t)number_field(L, 1, "protocol", 5),
        (uint16_t)number_field(L, 1, "packet_id", 0), flag_field(L, 1, "duplicate"),
        (uint16_t)number_field(L, 1, "alias", 0), flag_field(L, 1, "aliased"));
  lua_pushlstring(L, publish.payload.data ? publish.payload.data : "", publish.payload.length);
  lua_concat(L, 2);
  return 1;
}

/* ack(type, protocol, packet_id[, code]) -> bytes; the type is a number */
static int probe_ack(lua_State *L) {
  hf_packet_type type = (hf_packet_type)luaL_checkinteger(L, 1);
  uint8_t protocol = (uint8_t)luaL_checkinteger(L, 2), code = (uint8_t)luaL_optinteger(L, 4, 0);
  uint16_t packet_id = (uint16_t)luaL_checkinteger(L, 3);
  WRITE(L, hf_write_ack, type, protocol, packet_id, code);
  return 1;
}

static void check_request(lua_State *L, hf_subscription_request *request, given_properties *given) {
  luaL_checktype(L, 1, LUA_TTABLE);
  *request = (hf_subscription_request){.filter = bytes_field(L, 1, "filter"),
                                       .properties = properties_field(L, 1, "properties", given)};
  request->options = (hf_wish_options){
      .qos = (uint8_t)number_field(L, 1, "qos", 0),
      .no_local = flag_field(L, 1, "no_local"),
      .retain_as_published = flag_field(L, 1, "retain_as_published"),
      .retain_handling = (uint8_t)number_field(L, 1, "retain_handling", 0),
      .identifier = (uint32_t)number_field(L, 1, "identifier", 0),
  };
}

/* subscribe{ protocol, packet_id, filter, qos, ..., properties } -> bytes, and so unsubscribe */
static int probe_subscribe(lua_State *L) {
  given_properties given;
  hf_subscription_request request;
  check_request(L, &request, &given);
  uint8_t protocol = (uint8_t)number_field(L, 1, "protocol", 5);
  WRITE(L, hf_write_subscribe, &request, protocol, (uint16_t)number_field(L, 1, "packet_id", 1));
  return 1;
}

static int probe_unsubscribe(lua_State *L) {
  given_properties given;
  hf_subscription_request request;
  check_request(L, &request, &given);
  uint8_t protocol = (uint8_t)number_field(L, 1, "protocol", 5);
  WRITE(L, hf_write_unsubscribe, &request, protocol, (uint16_t)number_field(L, 1, "packet_id", 1));
  return 1;
}

static int probe_pingreq(lua_State *L) {
  uint8_t bytes[2];
  size_t size = hf_write_pingreq(bytes);
  if (hf_write_pingreq(NULL) != size) return luaL_error(L, "counted otherwise");
  lua_pushlstring(L, (char *)bytes, size);
  return 1;
}

/* disconnect(protocol, code[, session_expiry[, reason]]) -> bytes */
static int probe_disconnect(lua_State *L) {
  uint8_t protocol = (uint8_t)luaL_checkinteger(L, 1), code = (uint8_t)luaL_checkinteger(L, 2);
  int64_t expiry = (int64_t)luaL_optnumber(L, 3, -1);
  const char *reason = luaL_optstring(L, 4, NULL);
  WRITE(L, hf_write_disconnect, protocol, code, expiry, reason);
  return 1;
}

/* ---- aliases ---- */

static int new_aliases_in(lua_State *L) {
  hf_aliases_in *aliases = hf_lua_newuserdata(L, sizeof *aliases);
  *aliases = (hf_aliases_in){0};
  luaL_setmetatable(L, "mqtt_probe.aliases_in");
  return 1;
}

/* aliases:resolve(alias, topic) -> topic | nil, "unknown" | nil, "invalid" */
static int aliases_resolve(lua_State *L) {
  hf_aliases_in *aliases = luaL_checkudata(L, 1, "mqtt_probe.aliases_in");
  hf_bytes topic = check_bytes(L, 3);
  hf_alias_read read = hf_aliases_resolve(aliases, (uint16_t)luaL_checkinteger(L, 2), &topic);
  if (read == HF_ALIAS_FINE) {
    lua_pushlstring(L, topic.data, topic.length);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, read == HF_ALIAS_UNKNOWN ? "unknown" : read == HF_ALIAS_INVALID ? "invalid" : "no_memory");
  return 2;
}

static int aliases_in_clear(lua_State *L) {
  hf_aliases_in_clear(luaL_checkudata(L, 1, "mqtt_probe.aliases_in"));
  return 0;
}

typedef struct probe_aliases_out {
  hf_aliases_out *aliases;
} probe_aliases_out;

/* aliases_out(maximum) -> object | nil */
static int new_aliases_out(lua_State *L) {
  probe_aliases_out *self = hf_lua_newuserdata(L, sizeof *self);
  self->aliases = NULL;
  luaL_setmetatable(L, "mqtt_probe.aliases_out");
  self->aliases = hf_aliases_out_new((uint16_t)luaL_checkinteger(L, 1));
  return 1;
}

/* aliases:choose(topic) -> alias, known */
static int aliases_choose(lua_State *L) {
  probe_aliases_out *self = luaL_checkudata(L, 1, "mqtt_probe.aliases_out");
  bool known = true;
  uint16_t alias = hf_aliases_choose(self->aliases, check_bytes(L, 2), &known);
  lua_pushinteger(L, alias);
  lua_pushboolean(L, known);
  return 2;
}

static int aliases_out_gc(lua_State *L) {
  probe_aliases_out *self = luaL_checkudata(L, 1, "mqtt_probe.aliases_out");
  hf_aliases_out_free(self->aliases);
  self->aliases = NULL;
  return 0;
}

static void make_class(lua_State *L, const char *name, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_mqtt_probe(lua_State *L) {
  static const luaL_Reg aliases_in[] = {
      {"resolve", aliases_resolve}, {"clear", aliases_in_clear}, {"__gc", aliases_in_clear}, {NULL, NULL}};
  static const luaL_Reg aliases_out[] = {{"choose", aliases_choose}, {"__gc", aliases_out_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"read", probe_read},
                                       {"work", probe_work},
                                       {"connect", probe_connect},
                                       {"publish", probe_publish},
                                       {"ack", probe_ack},
                                       {"subscribe", probe_subscribe},
                                       {"unsubscribe", probe_unsubscribe},
                                       {"pingreq", probe_pingreq},
                                       {"disconnect", probe_disconnect},
                                       {"aliases_in", new_aliases_in},
                                       {"aliases_out", new_aliases_out},
                                       {NULL, NULL}};
  make_class(L, "mqtt_probe.aliases_in", aliases_in);
  make_class(L, "mqtt_probe.aliases_out", aliases_out);
  luaL_newlib(L, functions);
  return 1;
}
