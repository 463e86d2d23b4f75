/* scram_probe: the words of SCRAM, as the Lua module `scram_probe`. Call on the thread of the lua_State. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lua/compat.h"
#include "stream/scram.h"
#include "stream/tls.h"
#include "sys/library.h"

/* first(username, nonce) -> word */
static int first(lua_State *L) {
  size_t length;
  const char *username = luaL_checklstring(L, 1, &length);
  char *word = hf_scram_first((hf_bytes){username, length}, luaL_checkstring(L, 2));
  lua_pushstring(L, word);
  free(word);
  return 1;
}

/* prove(method, username, password, nonce, said) -> answer, expected; or nil, what is wrong */
static int prove(lua_State *L) {
  hf_bytes username, password, said;
  hf_scram_words words;
  hf_scram_hash hash = hf_scram_find(luaL_checkstring(L, 1));
  luaL_argcheck(L, hash != HF_SCRAM_NONE, 1, "a method expected");
  username.data = luaL_checklstring(L, 2, &username.length);
  password.data = luaL_checklstring(L, 3, &password.length);
  said.data = luaL_checklstring(L, 5, &said.length);
  const char *problem = hf_scram_prove(hash, username, password, luaL_checkstring(L, 4), said, &words);
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
