/* The events that users see: their names and fields, once. docs/reference/events.md has the same ones. */
#include "lua/binding.h"

typedef struct field {
  const char *name;
  void (*push)(lua_State *L, const hf_event *event); /* nil: it is left out */
} field;

static void push_seconds(lua_State *L, int64_t milliseconds) {
  if (milliseconds < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)milliseconds / 1000);
}

static void reason(lua_State *L, const hf_event *event) {
  hf_lua_push_reason(L, event->reason, event->cls, event->code, event->text);
}

static void server(lua_State *L, const hf_event *event) {
  lua_pushstring(L, event->server);
}

static void attempt(lua_State *L, const hf_event *event) {
  hf_lua_pushint64(L, event->attempt);
}

static void retry_in(lua_State *L, const hf_event *event) {
  push_seconds(L, event->retry_in);
}

static void uptime(lua_State *L, const hf_event *event) {
  push_seconds(L, event->uptime);
}

static void downtime(lua_State *L, const hf_event *event) {
  push_seconds(L, event->downtime);
}

static void session_present(lua_State *L, const hf_event *event) {
  lua_pushboolean(L, event->session_present);
}

static void subscriptions(lua_State *L, const hf_event *event) {
  hf_lua_pushint64(L, (int64_t)event->subscriptions);
}

static void refused(lua_State *L, const hf_event *event) {
  hf_lua_pushint64(L, (int64_t)event->refused);
}

static void reference(lua_State *L, const hf_event *event) {
  lua_pushstring(L, event->reference);
}

static void followed(lua_State *L, const hf_event *event) {
  if (event->reference)
    lua_pushboolean(L, event->followed);
  else
    lua_pushnil(L);
}

static void store_code(lua_State *L, const hf_event *event) {
  lua_pushstring(L, event->code ? hf_store_word((hf_store_code)event->code) : NULL);
}

static void words(lua_State *L, const hf_event *event) {
  lua_pushstring(L, event->text);
}

/* Of a mail that is another struct. */
static const hf_step *step_of(const hf_event *event) {
  return (const hf_step *)(const void *)event;
}

static void step(lua_State *L, const hf_event *event) {
  lua_pushstring(L, hf_step_name((hf_step_kind)step_of(event)->kind));
}

static void at(lua_State *L, const hf_event *event) {
  lua_pushnumber(L, (lua_Number)step_of(event)->at / 1e6);
}

enum { MOST = 6 };

typedef struct row {
  const char *name; /* NULL: of no user's, but with fields */
  field fields[MOST];
} row;

#define EVENT(kind) [HF_EVENT_##kind - HF_MAIL_EVENT_BASE]

static const row rows[HF_EVENT_KIND_COUNT] = {
    EVENT(CONNECTING) = {"connecting", {{"server", server}, {"attempt", attempt}}},
    EVENT(CONNECTED) = {"connected",
                        {{"session_present", session_present},
                         {"server", server},
                         {"attempts", attempt},
                         {"downtime", downtime},
                         {"response_information", words}}},
    EVENT(READY) = {"ready", {{"subscriptions", subscriptions}, {"refused", refused}, {"downtime", downtime}}},
    EVENT(FAILED) = {"failed",
                     {{"reason", reason},
                      {"server", server},
                      {"attempt", attempt},
                      {"retry_in", retry_in},
                      {"server_reference", reference},
                      {"followed", followed}}},
    EVENT(LOST) = {"lost",
                   {{"reason", reason},
                    {"uptime", uptime},
                    {"retry_in", retry_in},
                    {"server_reference", reference},
                    {"followed", followed}}},
    EVENT(SLEEPING) = {"sleeping", {{"reason", reason}, {"wake_in", retry_in}}},
    EVENT(CLOSED) = {"closed", {{"reason", reason}}},
    EVENT(STEP) = {"step", {{"step", step}, {"at", at}}},
    EVENT(STORE) = {"store", {{"code", store_code}, {"text", words}}},
    EVENT(DELAY) =
        {NULL,
         {{"reason", reason}, {"server", server}, {"attempt", attempt}, {"retry_in", retry_in}, {"uptime", uptime}}},
};

static const row *row_of(const hf_event *event) {
  return &rows[event->mail.kind - HF_MAIL_EVENT_BASE];
}

const char *hf_lua_event_name(const hf_event *event) {
  return row_of(event)->name;
}

void hf_lua_push_fields(lua_State *L, const hf_event *event) {
  lua_createtable(L, 0, MOST);
  for (const field *at = row_of(event)->fields, *end = at + MOST; at < end && at->name; at++) {
    at->push(L, event);
    lua_setfield(L, -2, at->name);
  }
}

void hf_lua_open_public_event(lua_State *L) {
  int count = 0;
  lua_newtable(L);
  for (const row *at = rows; at < rows + HF_EVENT_KIND_COUNT; at++) {
    if (!at->name) continue;
    lua_newtable(L);
    lua_pushstring(L, at->name);
    lua_setfield(L, -2, "name");
    for (int i = 0; i < MOST && at->fields[i].name; i++) {
      lua_pushstring(L, at->fields[i].name);
      lua_rawseti(L, -2, i + 1);
    }
    lua_rawseti(L, -2, ++count);
  }
  lua_setfield(L, -2, "events");
}
