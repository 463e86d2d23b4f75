/* handle.h: the userdata of a client, for the rooms of the binding that take one.
 *
 * Made by client.c, in the Lua state that owns the client, and collected with it;
 * from then on `client` is NULL. Only the thread of that Lua state may call.
 */
#ifndef HF_LUA_HANDLE_H
#define HF_LUA_HANDLE_H

#include "lua/binding.h"
#include "lua/parting.h"

#define HF_LUA_CLIENT "holdfast.client" /* the name of its metatable */

enum { HF_LUA_KNOWN = 62 };

typedef struct hf_lua_handle {
  hf_client *client; /* NULL once collected */
  const void *self;  /* itself, by which one is known */
  hf_parting parting;
  hf_lua_debts *debts; /* of the Lua state's mailbox, which ends after it */
  hf_lua_debtor debtor;
  int64_t ttl; /* ms, of what is posted without one; below 0: none */
  bool told;   /* somebody hears of the outcome of what is posted */
  bool wary;   /* a publish looks first whether it may wait for its outcome */
  uint8_t known_length;
  char known[HF_LUA_KNOWN]; /* the topic of the last post, which nothing is wrong with; empty: there is none */
} hf_lua_handle;

/* plain.c: the short way of post and publish, into the module table on the top of the stack; and what a handle has for
 * it, into the methods there. */
void hf_lua_open_plain(lua_State *L);
void hf_lua_plain_methods(lua_State *L);

#endif
