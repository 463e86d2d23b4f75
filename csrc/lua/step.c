/* A step of an attempt to connect, as the fields of an event. */
#include "lua/binding.h"
#include "stream/tls_certificate.h"

static void set_time(lua_State *L, const char *name, int64_t seconds) {
  if (!seconds) return;
  hf_lua_pushint64(L, seconds);
  lua_setfield(L, -2, name);
}

static void push_certificate(lua_State *L, hf_bytes der) {
  hf_certificate certificate;
  bool is_one = hf_certificate_read(der, &certificate);
  lua_createtable(L, 0, 5);
  if (!is_one) return;
  lua_pushstring(L, certificate.subject);
  lua_setfield(L, -2, "subject");
  lua_pushstring(L, certificate.issuer);
  lua_setfield(L, -2, "issuer");
  set_time(L, "not_before", certificate.not_before);
  set_time(L, "not_after", certificate.not_after);
  lua_createtable(L, (int)certificate.name_count, 0);
  for (size_t i = 0; i < certificate.name_count; i++) {
    lua_pushstring(L, certificate.names[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "names");
}

/* Pushes the list of that name, which is made if it is not there, and answers its next place. */
static int open_list(lua_State *L, const char *name) {
  if (hf_lua_getfield(L, -1, name) == LUA_TTABLE) return (int)hf_lua_length(L, -1) + 1;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, name);
  return 1;
}

static void push_pair(lua_State *L, hf_bytes name, hf_bytes value) {
  lua_createtable(L, 2, 0);
  lua_pushlstring(L, name.data, name.length);
  lua_rawseti(L, -2, 1);
  lua_pushlstring(L, value.data, value.length);
  lua_rawseti(L, -2, 2);
}

static void add(lua_State *L, const hf_step *step, const hf_step_field *field, size_t *at) {
  hf_step_field value;
  int place = open_list(L, field->name);
  if (field->type == HF_STEP_DER)
    push_certificate(L, field->bytes);
  else if (field->type != HF_STEP_PAIR)
    lua_pushlstring(L, field->bytes.data, field->bytes.length);
  else if (hf_step_next(step, at, &value))
    push_pair(L, field->bytes, value.bytes);
  else
    lua_pushnil(L);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

void hf_lua_fill_step(lua_State *L, const hf_step *step) {
  hf_step_field field;
  size_t at = 0;
  while (hf_step_next(step, &at, &field)) {
    switch (field.type) {
    case HF_STEP_TEXT:
      lua_pushlstring(L, field.bytes.data, field.bytes.length);
      lua_setfield(L, -2, field.name);
      break;
    case HF_STEP_NUMBER:
      hf_lua_pushint64(L, field.number);
      lua_setfield(L, -2, field.name);
      break;
    case HF_STEP_FLAG:
      lua_pushboolean(L, field.number != 0);
      lua_setfield(L, -2, field.name);
      break;
    case HF_STEP_ITEM:
    case HF_STEP_PAIR:
    case HF_STEP_DER:
      add(L, step, &field, &at);
      break;
    }
  }
  if (!step->cut) return;
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "cut");
}
