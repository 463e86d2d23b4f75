#include "lua/binding.h"

enum {
  DROPPED = HF_PUBLISH_WITHDRAWN | HF_PUBLISH_CLOSED | HF_PUBLISH_TOO_LARGE | HF_PUBLISH_QOS | HF_PUBLISH_RETAIN |
            HF_PUBLISH_GUILTY | HF_PUBLISH_OVERFLOW | HF_PUBLISH_EXPIRED
};

static int push_outcome(lua_State *L, const hf_publish *publish) {
  bool told = !(publish->flags & DROPPED); /* the broker has spoken */
  bool delivered = told && publish->result < 0x80;
  hf_lua_pushint64(L, (int64_t)publish->id);
  lua_pushboolean(L, delivered);
  lua_pushstring(L, delivered ? NULL : hf_drop_name(publish->flags));
  if (told && publish->result > 0)
    hf_lua_push_reason(L, hf_reason_find(HF_SOURCE_PUBACK, publish->result), HF_CLASS_NONE, publish->result, NULL);
  else if (publish->flags & HF_PUBLISH_GUILTY)
    hf_lua_push_reason(L, hf_reason_find((hf_source)publish->end_source, publish->result), HF_CLASS_NONE,
                       publish->result, NULL);
  else
    lua_pushnil(L);
  return 4;
}

static int push_event(lua_State *L, const hf_event *event) {
  lua_pushstring(L, hf_lua_event_name(event));
  hf_lua_push_fields(L, event);
  return 2;
}

static int push_step(lua_State *L, const hf_event *event) {
  push_event(L, event);
  hf_lua_fill_step(L, (const hf_step *)(const void *)event);
  return 2;
}

static int push_delay(lua_State *L, const hf_event *event) {
  lua_pushinteger(L, (lua_Integer)event->ticket);
  hf_lua_push_fields(L, event);
  hf_lua_pushint64(L, event->retry_in);
  return 3;
}

static int push_granted(lua_State *L, const hf_event *event) {
  lua_pushinteger(L, (lua_Integer)event->wish);
  if (event->reason)
    lua_pushnil(L);
  else
    lua_pushinteger(L, event->code);
  hf_lua_push_reason(L, event->reason, HF_CLASS_NONE, event->code, event->text);
  return 3;
}

static int push_rest(lua_State *L, const hf_mail *mail) {
  const hf_event *event = (const hf_event *)mail;
  switch ((enum hf_event_kind)mail->kind) {
  case HF_EVENT_OUTCOME:
    return push_outcome(L, (const hf_publish *)mail);
  case HF_EVENT_NOT_WITHDRAWN:
    hf_lua_pushint64(L, (int64_t)event->id);
    return 1;
  case HF_EVENT_GRANTED:
  case HF_EVENT_GRANTED_AGAIN:
    return push_granted(L, event);
  case HF_EVENT_CREDENTIALS:
    lua_pushinteger(L, (lua_Integer)event->ticket);
    lua_pushinteger(L, (lua_Integer)event->attempt);
    return 2;
  case HF_EVENT_DELAY:
    return push_delay(L, event);
  case HF_EVENT_AUTHENTICATE:
    lua_pushinteger(L, (lua_Integer)event->ticket);
    lua_pushlstring(L, event->text, event->text ? event->length : 0);
    return 2;
  case HF_EVENT_AUTHENTICATED:
    lua_pushinteger(L, (lua_Integer)event->ticket);
    lua_pushinteger(L, event->code);
    return 2;
  case HF_EVENT_TURN:
    lua_pushinteger(L, (lua_Integer)event->ticket);
    return 1;
  case HF_EVENT_NOTE:
    lua_pushstring(L, event->text);
    return 1;
  case HF_EVENT_CONNECTING:
  case HF_EVENT_CONNECTED:
  case HF_EVENT_READY:
  case HF_EVENT_FAILED:
  case HF_EVENT_LOST:
  case HF_EVENT_SLEEPING:
  case HF_EVENT_CLOSED:
  case HF_EVENT_STORE:
    return push_event(L, event);
  case HF_EVENT_STEP:
    return push_step(L, event);
  case HF_EVENT_MESSAGE: /* these are pushed by themselves */
  case HF_EVENT_TRACE:
  case HF_EVENT_ROOM:
    break;
  }
  return 0;
}

/* Of no client: "trace", 0, the line, its level, lines dropped before it. */
static int push_trace(lua_State *L, const hf_event *event) {
  lua_pushliteral(L, "trace");
  lua_pushinteger(L, 0);
  lua_pushstring(L, event->text);
  lua_pushinteger(L, event->code);
  hf_lua_pushint64(L, (int64_t)event->id);
  lua_pushstring(L, event->cls == HF_TRANSPORT_NATIVE ? "native" : "paho");
  return 6;
}

static const char *const words[HF_EVENT_KIND_COUNT] = {
#define WORD(name, what, word) [HF_EVENT_##name - HF_MAIL_EVENT_BASE] = word,
    HF_EVENT_KINDS(WORD, WORD)
#undef WORD
};

/* "outcomes", the client, the first id, the last: all delivered, and nothing more to say. */
static int push_run(lua_State *L, const hf_client *client, const hf_publish *publish) {
  lua_pushliteral(L, "outcomes");
  lua_pushinteger(L, (lua_Integer)hf_client_id(client));
  hf_lua_pushint64(L, (int64_t)publish->id);
  hf_lua_pushint64(L, (int64_t)(publish->id + publish->more));
  return 4;
}

/* Leaves the mail as it is: whoever called ends it once everything is on the stack. */
int hf_lua_push_mail(lua_State *L, const hf_mail *mail) {
  if (mail->kind == HF_EVENT_TRACE) return push_trace(L, (const hf_event *)mail);
  if (mail->kind == HF_EVENT_OUTCOME && ((const hf_publish *)mail)->more)
    return push_run(L, mail->owner, (const hf_publish *)mail);
  lua_pushstring(L, words[mail->kind - HF_MAIL_EVENT_BASE]);
  lua_pushinteger(L, (lua_Integer)hf_client_id(mail->owner));
  return 2 + push_rest(L, mail);
}

void hf_lua_open_event(lua_State *L) {
  luaL_newmetatable(L, HF_LUA_MESSAGE);
  lua_setfield(L, -2, "message_metatable");
  luaL_newmetatable(L, HF_LUA_REASON);
  lua_setfield(L, -2, "reason_metatable");
}
