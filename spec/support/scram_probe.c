/* scram_probe: the words of SCRAM, as the Lua module `scram_probe`. Call on the thread of the lua_State. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lua/compat.h"
#include "stream/scram.h"
#include "stream/tls.h"
#include "sys/library.h"

/* first(username, nonce, binds) -> word */
static int first(lua_State *L) {
  hf_scram_client client = {.nonce = luaL_checkstring(L, 2), .binds = lua_toboolean(L, 3)};
  client.username.data = luaL_checklstring(L, 1, &client.username.length);
  char *word = hf_scram_first(&client);
  lua_pushstring(L, word);
  free(word);
  return 1;
}

/* prove(method, username, password, nonce, said, binding) -> answer, expected; or nil, what is wrong */
static int prove(lua_State *L) {
  size_t length;
  const char *method = luaL_checkstring(L, 1), *binding = luaL_optlstring(L, 6, NULL, &length);
  hf_bytes said;
  hf_scram_words words;
  hf_scram_client client = {.hash = hf_scram_find(method), .binds = hf_scram_binds(method)};
  luaL_argcheck(L, client.hash != HF_SCRAM_NONE, 1, "a method expected");
  luaL_argcheck(L, !client.binds || (binding && length == HF_SCRAM_BINDING), 6, "32 bytes expected");
  client.username.data = luaL_checklstring(L, 2, &client.username.length);
  client.password.data = luaL_checklstring(L, 3, &client.password.length);
  client.nonce = luaL_checkstring(L, 4);
  client.binding = (const unsigned char *)binding;
  said.data = luaL_checklstring(L, 5, &said.length);
  const char *problem = hf_scram_prove(&client, said, &words);
  lua_pushstring(L, words.answer);
  lua_pushstring(L, problem ? problem : words.expected);
  free(words.answer);
  free(words.expected);
  return 2;
}

int luaopen_scram_probe(lua_State *L);

int luaopen_scram_probe(lua_State *L) {
  static const luaL_Reg functions[] = {{"first", first}, {"prove", prove}, {NULL, NULL}};
  char problem[HF_LIBRARY_PROBLEM];
  if (!hf_tls_load(problem)) return luaL_error(L, "%s", problem);
  luaL_newlib(L, functions);
  return 1;
}
