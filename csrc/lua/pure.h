/* pure.h: the parts of csrc/core that Lua may use by themselves, and how their options are read.
 *
 * Every open function leaves the stack as its comment says and owns nothing
 * afterwards: what it makes lives in the Lua state. Userdata hold their whole
 * state in their own block. Call on the thread of the lua_State.
 */
#ifndef HF_LUA_PURE_H
#define HF_LUA_PURE_H

#include "core/backoff.h"
#include "core/engine.h"
#include "lua/compat.h"

int hf_lua_open_backoff(lua_State *L); /* pushes the table holdfast.core.backoff */
int hf_lua_open_reason(lua_State *L);  /* pushes the table holdfast.core.reason */
int hf_lua_open_engine(lua_State *L);  /* pushes the table holdfast.core.engine */
int hf_lua_open_fleet(lua_State *L);   /* pushes the table holdfast.core.fleet */

/* Adds topic_problem, filter_problem, utf8_problem, topic_matches and parse_server to the table on the stack top. */
int hf_lua_open_topic(lua_State *L);

/* A whole number of 0 .. most in the field of the table at `index`, `otherwise` when it is nil; throws, naming it. */
uint64_t hf_lua_whole_field(lua_State *L, int index, const char *name, uint64_t most, uint64_t otherwise);

/* The options in the table at `index` (min, max, step in ms; strategy, jitter by name; factor, fraction). NULL, or what
 * is wrong with them in words; the words may have been pushed. Wrong types throw. */
const char *hf_lua_backoff_options(lua_State *L, int index, hf_backoff_options *options);

/* The rules of the table at `index`, { [row] = { class, later, after } }, over those of the reason table into `rules`,
 * which has room for hf_reason_count() of them. Throws. */
void hf_lua_class_rules(lua_State *L, int index, hf_class_rule *rules);

/* The seed at `index`, or one of the system's when it is nil; throws on anything else. */
uint64_t hf_lua_seed(lua_State *L, int index);

/* Pushes the array of names that `name` gives for 0, 1 ... until NULL. */
void hf_lua_push_names(lua_State *L, const char *(*name)(int));

#endif
