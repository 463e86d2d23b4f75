/* core_probe: the parts of csrc/core that Lua has no other way to, as the Lua module `core_probe`.
 *
 * ring(limit) and heap(count) make objects; message, publish and
 * properties show what a copy holds; random and between draw; at_the_end draws delays where a
 * counter has no more room; gates() is the table of the way to an attempt. Call on
 * the thread of the lua_State.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/backoff.h"
#include "core/engine.h"
#include "core/gate.h"
#include "core/heap.h"
#include "core/message.h"
#include "core/random.h"
#include "core/ring.h"
#include "lua/compat.h"

static void set_number(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void set_bytes(lua_State *L, const char *name, hf_bytes bytes) {
  if (!bytes.data) return;
  lua_pushlstring(L, bytes.data, bytes.length);
  lua_setfield(L, -2, name);
}

static hf_bytes bytes_field(lua_State *L, int index, const char *name) {
  hf_bytes bytes = {NULL, 0};
  if (hf_lua_getfield(L, index, name) == LUA_TSTRING) bytes.data = lua_tolstring(L, -1, &bytes.length);
  lua_pop(L, 1); /* the table keeps the string alive */
  return bytes;
}

static uint32_t number_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  uint32_t value = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

/* ---- properties and messages ---- */

enum { MOST = 8 };

typedef struct lent {
  hf_properties properties;
  hf_user_property user[MOST];
  uint32_t identifiers[MOST];
} lent;

/* { content_type, ..., user = { { name, value } ... }, identifiers = { ... }, message_expiry }, borrowing the strings.
 */
static const hf_properties *check_properties(lua_State *L, int index, lent *given) {
  if (lua_isnoneornil(L, index)) return NULL;
  memset(given, 0, sizeof *given);
  hf_properties *p = &given->properties;
  p->content_type = bytes_field(L, index, "content_type");
  p->response_topic = bytes_field(L, index, "response_topic");
  p->correlation_data = bytes_field(L, index, "correlation_data");
  p->reason_string = bytes_field(L, index, "reason_string");
  p->server_reference = bytes_field(L, index, "server_reference");
  p->message_expiry = number_field(L, index, "message_expiry");
  if (p->message_expiry) p->present |= HF_PROPERTY_MESSAGE_EXPIRY;
  p->user = given->user;
  p->subscription_identifiers = given->identifiers;
  int user = 0, identifiers = 0;
  if (hf_lua_getfield(L, index, "user") == LUA_TTABLE) user = (int)lua_rawlen(L, -1);
  if (hf_lua_getfield(L, index, "identifiers") == LUA_TTABLE) identifiers = (int)lua_rawlen(L, -1);
  luaL_argcheck(L, user <= MOST && identifiers <= MOST, index, "too many");
  for (int i = 0; i < user; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, -2, i + 1);
    given->user[i].name = bytes_field(L, lua_gettop(L), "name");
    given->user[i].value = bytes_field(L, lua_gettop(L), "value");
  }
  for (int i = 0; i < identifiers; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, -1, i + 1);
    given->identifiers[i] = (uint32_t)lua_tointeger(L, -1);
  }
  p->user_count = (size_t)user;
  p->subscription_identifier_count = (size_t)identifiers;
  lua_pop(L, 2);
  return p;
}

static void push_properties(lua_State *L, const hf_properties *p) {
  if (!p) {
    lua_pushnil(L);
    return;
  }
  lua_newtable(L);
  set_bytes(L, "content_type", p->content_type);
  set_bytes(L, "response_topic", p->response_topic);
  set_bytes(L, "correlation_data", p->correlation_data);
  set_bytes(L, "reason_string", p->reason_string);
  set_bytes(L, "server_reference", p->server_reference);
  if (p->present & HF_PROPERTY_MESSAGE_EXPIRY) set_number(L, "message_expiry", (lua_Integer)p->message_expiry);
  if (p->user) {
    lua_newtable(L);
    for (size_t i = 0; i < p->user_count; i++) {
      lua_newtable(L);
      set_bytes(L, "name", p->user[i].name);
      set_bytes(L, "value", p->user[i].value);
      lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "user");
  }
  if (p->subscription_identifiers) {
    lua_newtable(L);
    for (size_t i = 0; i < p->subscription_identifier_count; i++) {
      lua_pushinteger(L, (lua_Integer)p->subscription_identifiers[i]);
      lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "identifiers");
  }
}

/* Bytes of a copy must be the copy's own, and end in a NUL. */
static void check_inside(lua_State *L, hf_bytes bytes, const void *block, size_t size) {
  const char *start = block, *end = start + size;
  if (bytes.data && (bytes.data < start || bytes.data + bytes.length >= end || bytes.data[bytes.length] != '\0'))
    luaL_error(L, "'%s' is outside the block", bytes.data);
}

static void check_all_inside(lua_State *L, const hf_properties *p, const void *block, size_t size) {
  check_inside(L, p->content_type, block, size);
  check_inside(L, p->response_topic, block, size);
  check_inside(L, p->correlation_data, block, size);
  check_inside(L, p->reason_string, block, size);
  check_inside(L, p->server_reference, block, size);
  for (size_t i = 0; i < p->user_count; i++) {
    check_inside(L, p->user[i].name, block, size);
    check_inside(L, p->user[i].value, block, size);
  }
}

/* Leaves no zeros in memory that the next malloc may hand out. */
static void soil_memory(void) {
  void *blocks[64];
  for (int i = 0; i < 64; i++) {
    size_t size = (size_t)(i + 1) * 16;
    blocks[i] = malloc(size);
    if (blocks[i]) memset(blocks[i], 0xFF, size);
  }
  for (int i = 0; i < 64; i++)
    free(blocks[i]);
}

/* properties(table) -> the copy as a table, its weight */
static int properties(lua_State *L) {
  lent given;
  const hf_properties *from = check_properties(L, 1, &given);
  soil_memory();
  hf_properties *copy = hf_properties_copy(from);
  if (copy) {
    memset(&given, 0xA5, sizeof given); /* what the copy may no longer look at */
    check_all_inside(L, copy, copy, sizeof *copy + hf_properties_weight(copy));
  }
  push_properties(L, copy);
  lua_pushinteger(L, (lua_Integer)hf_properties_weight(copy));
  free(copy);
  return 2;
}

static hf_bytes check_bytes(lua_State *L, int index) {
  hf_bytes bytes;
  bytes.data = luaL_checklstring(L, index, &bytes.length);
  return bytes;
}

/* message(topic, payload[, properties]) and publish(...) -> topic, payload, properties */
static int push_body(lua_State *L, hf_bytes topic, hf_bytes payload, const hf_properties *copy, const void *block,
                     size_t header) {
  size_t size = header + topic.length + payload.length + 2;
  if (copy) {
    size += sizeof *copy + hf_properties_weight(copy);
    check_all_inside(L, copy, block, size);
  }
  check_inside(L, topic, block, size);
  check_inside(L, payload, block, size);
  lua_pushlstring(L, topic.data, topic.length);
  lua_pushlstring(L, payload.data, payload.length);
  push_properties(L, copy);
  return 3;
}

static int message(lua_State *L) {
  lent given;
  soil_memory();
  hf_message *m = hf_message_new(check_bytes(L, 1), check_bytes(L, 2), check_properties(L, 3, &given));
  push_body(L, m->topic, m->payload, m->properties, m, sizeof *m);
  m->wishes = malloc(sizeof *m->wishes); /* more than fit inside: the message frees them */
  hf_message_free(m);
  return 3;
}

static int publish(lua_State *L) {
  lent given;
  soil_memory();
  hf_publish *p = hf_publish_new(check_bytes(L, 1), check_bytes(L, 2), check_properties(L, 3, &given));
  push_body(L, p->topic, p->payload, p->properties, p, sizeof *p);
  hf_publish_free(p);
  return 3;
}

/* ---- random ---- */

/* random(seed, count) -> array of 64-bit draws in decimal */
static int random_draws(lua_State *L) {
  uint64_t state = (uint64_t)luaL_checkinteger(L, 1);
  int count = (int)luaL_checkinteger(L, 2);
  lua_newtable(L);
  for (int i = 1; i <= count; i++) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)hf_random_next(&state));
    lua_pushstring(L, text);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* between(seed, low, high, count, cells, remainders) -> array: how many draws fell into each of so many equal cells of
 * [low, high] or, with `remainders`, left each remainder when divided by so many. */
static int random_cells(lua_State *L) {
  enum { CELLS = 16 };
  int cells[CELLS] = {0};
  uint64_t state = (uint64_t)luaL_checkinteger(L, 1);
  uint32_t low = (uint32_t)luaL_checknumber(L, 2), high = (uint32_t)luaL_checknumber(L, 3);
  int count = (int)luaL_checkinteger(L, 4), number = (int)luaL_checkinteger(L, 5);
  luaL_argcheck(L, number > 0 && number <= CELLS, 5, "too many cells");
  for (int i = 0; i < count; i++) {
    uint32_t draw = hf_random_between(&state, low, high);
    luaL_argcheck(L, draw >= low && draw <= high, 2, "a draw left the bounds");
    double place = (double)(draw - low) / ((double)high - low + 1);
    cells[lua_toboolean(L, 6) ? (int)((draw - low) % (uint32_t)number) : (int)(place * number)]++;
  }
  lua_newtable(L);
  for (int i = 0; i < number; i++) {
    lua_pushinteger(L, cells[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* ---- what counts up to the end of its type ---- */

static const hf_backoff_options doubling = {
    .strategy = HF_BACKOFF_EXPONENTIAL, .factor = 2, .jitter = HF_JITTER_NONE, .min = 1, .max = 1000};

static void set_delay(lua_State *L, int place, uint32_t delay) {
  lua_pushinteger(L, (lua_Integer)delay);
  lua_rawseti(L, -2, place);
}

/* delays_at_the_end(count) -> array of ms: of a state that has one draw to count left. */
static int delays_at_the_end(lua_State *L) {
  int count = (int)luaL_checkinteger(L, 1);
  hf_backoff state = {.steps = UINT32_MAX - 1};
  lua_newtable(L);
  for (int i = 1; i <= count; i++) {
    uint32_t delay = 0;
    hf_backoff_next(&doubling, &state, &delay);
    set_delay(L, i, delay);
  }
  return 1;
}

/* engine_at_the_end(count) -> array of ms that it waits after each failure, and the number of the last attempt. */
static int engine_at_the_end(lua_State *L) {
  int count = (int)luaL_checkinteger(L, 1);
  hf_engine_options options = {
      .backoff = doubling, .slow = doubling, .connect_timeout = 1000, .stable_after = 1000, .server_count = 1};
  hf_engine engine;
  int64_t now = 0;
  hf_engine_init(&engine, &options, 1, now);
  engine.backoff.steps = engine.attempt = UINT32_MAX - 1;
  hf_engine_step(&engine, now, (hf_engine_event){.input = HF_INPUT_START});
  lua_newtable(L);
  for (int i = 1; i <= count; i++) {
    hf_engine_step(&engine, now,
                   (hf_engine_event){.input = HF_INPUT_FAILED, .reason = hf_reason_find(HF_SOURCE_DISCONNECT, 0x8B)});
    set_delay(L, i, engine.delay);
    now = engine.deadline;
    hf_engine_step(&engine, now, (hf_engine_event){.input = HF_INPUT_TIMER});
  }
  lua_pushnumber(L, (lua_Number)engine.attempt);
  return 2;
}

/* ---- ring ---- */

typedef struct probe_ring {
  hf_ring ring;
  double memory[];
} probe_ring;

static int new_ring(lua_State *L) {
  size_t limit = (size_t)luaL_checkinteger(L, 1);
  probe_ring *self = hf_lua_newuserdata(L, sizeof *self + (limit + 1) * sizeof(double));
  hf_ring_init(&self->ring, self->memory, sizeof(double), limit);
  luaL_setmetatable(L, "core_probe.ring");
  return 1;
}

static hf_ring *check_ring(lua_State *L) {
  return &((probe_ring *)luaL_checkudata(L, 1, "core_probe.ring"))->ring;
}

static int push_record(lua_State *L, const double *record) {
  if (!record) return 0;
  lua_pushnumber(L, *record);
  return 1;
}

static int ring_push(lua_State *L) {
  double *slot = hf_ring_push(check_ring(L));
  if (slot) *slot = luaL_checknumber(L, 2);
  lua_pushboolean(L, slot != NULL);
  return 1;
}

static int ring_at(lua_State *L) {
  return push_record(L, hf_ring_at(check_ring(L), (size_t)luaL_checkinteger(L, 2)));
}

static int ring_newest(lua_State *L) {
  return push_record(L, hf_ring_newest(check_ring(L)));
}

static int ring_shift(lua_State *L) {
  double record;
  return hf_ring_shift(check_ring(L), &record) ? push_record(L, &record) : 0;
}

static int ring_drop(lua_State *L) {
  lua_pushboolean(L, hf_ring_shift(check_ring(L), NULL));
  return 1;
}

/* ---- heap ---- */

typedef struct probe_heap {
  hf_heap heap;
  int count;
  hf_heap_item items[];
} probe_heap;

static int new_heap(lua_State *L) {
  int count = (int)luaL_checkinteger(L, 1);
  probe_heap *self = hf_lua_newuserdata(L, sizeof *self + (size_t)count * sizeof(hf_heap_item));
  memset(self->items, 0, (size_t)count * sizeof(hf_heap_item));
  self->count = count;
  hf_heap_init(&self->heap);
  luaL_setmetatable(L, "core_probe.heap");
  return 1;
}

static probe_heap *check_heap(lua_State *L) {
  return luaL_checkudata(L, 1, "core_probe.heap");
}

static hf_heap_item *check_item(lua_State *L, probe_heap *self) {
  lua_Integer number = luaL_checkinteger(L, 2);
  luaL_argcheck(L, number >= 1 && number <= self->count, 2, "no such item");
  return &self->items[number - 1];
}

static int heap_set(lua_State *L) { /* without a time: never */
  probe_heap *self = check_heap(L);
  int64_t due = lua_isnoneornil(L, 3) ? INT64_MAX : (int64_t)luaL_checknumber(L, 3);
  hf_heap_set(&self->heap, check_item(L, self), due);
  return 0;
}

static int heap_remove(lua_State *L) {
  probe_heap *self = check_heap(L);
  hf_heap_remove(&self->heap, check_item(L, self));
  return 0;
}

static int heap_first(lua_State *L) {
  probe_heap *self = check_heap(L);
  const hf_heap_item *first = hf_heap_first(&self->heap);
  if (!first) return 0;
  lua_pushinteger(L, (lua_Integer)(first - self->items) + 1);
  lua_pushnumber(L, (lua_Number)first->due);
  return 2;
}

/* ---- the way to an attempt ---- */

static void push_words(lua_State *L, unsigned actions) {
  static const char *const words[] = {"give the place back", "open", "fail", "tell the failure"}; /* by their bits */
  int count = 0;
  lua_newtable(L);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (!(actions & 1u << i)) continue;
    lua_pushstring(L, words[i]);
    lua_rawseti(L, -2, ++count);
  }
}

/* gates() -> an array of { gate, input, next, actions }. */
static int gates(lua_State *L) {
  int count = 0;
  lua_newtable(L);
  for (int gate = 0; gate < HF_GATES; gate++) {
    for (int input = 0; input < HF_GATE_INPUTS; input++) {
      hf_gate next;
      unsigned actions;
      if (!hf_gate_row((hf_gate)gate, (hf_gate_input)input, &next, &actions)) continue;
      lua_createtable(L, 0, 4);
      lua_pushstring(L, hf_gate_name(gate));
      lua_setfield(L, -2, "gate");
      lua_pushstring(L, hf_gate_input_name(input));
      lua_setfield(L, -2, "input");
      lua_pushstring(L, hf_gate_name((int)next));
      lua_setfield(L, -2, "next");
      push_words(L, actions);
      lua_setfield(L, -2, "actions");
      lua_rawseti(L, -2, ++count);
    }
  }
  return 1;
}

static const luaL_Reg ring_methods[] = {{"push", ring_push},   {"at", ring_at},     {"newest", ring_newest},
                                        {"shift", ring_shift}, {"drop", ring_drop}, {NULL, NULL}};
static const luaL_Reg heap_methods[] = {
    {"set", heap_set}, {"remove", heap_remove}, {"first", heap_first}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"properties", properties},
                                     {"gates", gates},
                                     {"message", message},
                                     {"publish", publish},
                                     {"random", random_draws},
                                     {"between", random_cells},
                                     {"ring", new_ring},
                                     {"heap", new_heap},
                                     {"delays_at_the_end", delays_at_the_end},
                                     {"engine_at_the_end", engine_at_the_end},
                                     {NULL, NULL}};

static void type(lua_State *L, const char *name, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_core_probe(lua_State *L);

int luaopen_core_probe(lua_State *L) {
  type(L, "core_probe.ring", ring_methods);
  type(L, "core_probe.heap", heap_methods);
  luaL_newlib(L, functions);
  return 1;
}
