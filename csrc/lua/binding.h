/* binding.h: the rooms of the binding and what they share; for csrc/lua only.
 *
 * Everything here runs on the thread of the lua_State it is given and reaches
 * the rest of the library through keeper/client.h alone. Userdata own one
 * reference of what they hold and drop it in __gc.
 */
#ifndef HF_LUA_BINDING_H
#define HF_LUA_BINDING_H

#include "core/step.h"
#include "keeper/client.h"
#include "keeper/event.h"
#include "lua/compat.h"
#include "lua/receipts.h"

/* settings.c: the table at `index` as options for hf_client_new; throws naming the field. */
hf_client_options *hf_lua_settings(lua_State *L, int index);

/* properties.c: fills `properties` from the table at `index`, borrowing its strings; pushes one value that must stay on
 * the stack as long as `properties` is used. Throws naming `what`. NULL when the value is nil or absent. */
const hf_properties *hf_lua_check_properties(lua_State *L, int index, const char *what, hf_properties *properties);
void hf_lua_push_properties(lua_State *L, const hf_properties *properties); /* a table */

#define HF_LUA_REASON "holdfast.reason" /* the name of its metatable */

/* reason.c: nil when there is none. `text`: beyond its own, or NULL. */
void hf_lua_push_reason(lua_State *L, const hf_reason *reason, int cls, int code, const char *text);

/* event.c: what mailbox:take() returns of a mail that is no message, which stays the caller's. */
int hf_lua_push_mail(lua_State *L, const hf_mail *mail);

/* message.c: a function into the table at the top, below which the metatable of what it is a method of lies. Only such
 * functions may call those that follow. */
#define HF_LUA_MESSAGE "holdfast.message"
void hf_lua_message_method(lua_State *L, const char *name, lua_CFunction function);
int hf_lua_push_message(lua_State *L, const hf_message *message); /* what mailbox:take() returns of one */

/* Of `count` in a row, linked by their mails, for the same one wish: what mailbox:take() returns of them. And they
 * themselves, into three arrays that lie on the stack from the index `arrays` on, `room` and `last` above them: one
 * after the other into the places (last + 1) % room + 1 and on, messages, their numbers, and up to where their bytes
 * go, counted on from the place of `last`. LuaJIT makes tables faster than it is told to: where true lies above those,
 * and they are alike but for their payloads, without properties, neither retained nor repeated, these lie in the places
 * of the messages, and topic and QoS are pushed. Answers how many values were. */
int hf_lua_push_run(lua_State *L, const hf_message *message, unsigned count);
int hf_lua_fill_run(lua_State *L, const hf_message *message, unsigned count, int arrays);

/* public_event.c: one that users see, or DELAY. */
const char *hf_lua_event_name(const hf_event *event);
void hf_lua_push_fields(lua_State *L, const hf_event *event); /* a table */

/* step.c: into the table on the top of the stack, what one of an attempt has besides its name and its time. */
void hf_lua_fill_step(lua_State *L, const hf_step *step);

/* mailbox.c: the mailbox of this Lua state, made at first use; pushes its userdata. */
hf_mailbox *hf_lua_mailbox(lua_State *L);

/* A client's handle that is owed for: messages which Lua is done with and of which the keeper has not been told. */
typedef struct hf_lua_debtor {
  struct hf_lua_debtor *next;
  hf_client *client; /* NULL: in no list */
  hf_consumed consumed;
  unsigned news; /* messages that are done, or have begun */
} hf_lua_debtor;

/* Of one Lua state: kept by its mailbox, as long as the state lives. */
typedef struct hf_lua_debts {
  hf_receipts receipts;
  hf_lua_debtor *debtors;
} hf_lua_debts;

hf_lua_debts *hf_lua_debts_of(lua_State *L);
void hf_lua_settle(hf_lua_debts *debts); /* client.c: the list is empty afterwards */

/* status.c */
int hf_lua_status(lua_State *L, hf_client *client);
int hf_lua_history(lua_State *L, hf_client *client);
int hf_lua_metrics(lua_State *L);

/* Each pushes what belongs to it into the module table on the top of the stack. */
void hf_lua_open_event(lua_State *L);        /* the metatables of messages and reasons, for Lua to fill in */
void hf_lua_open_public_event(lua_State *L); /* events, an array of { name =, the names of its fields } */
void hf_lua_open_claim(lua_State *L);
void hf_lua_open_mailbox(lua_State *L);
void hf_lua_open_client(lua_State *L);
void hf_lua_open_console(lua_State *L); /* pushes the table holdfast.core.console */

#endif
