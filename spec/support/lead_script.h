/* lead_script.h: csrc/keeper/lead by itself, on keeper_probe's clock, with a thread that stands in for the keeper's.
 *
 * The state whose mailbox keeper_probe has made is the one there is. Call on the
 * thread of the lua_State.
 */
#ifndef HF_SPEC_LEAD_SCRIPT_H
#define HF_SPEC_LEAD_SCRIPT_H

#include "lua/compat.h"

/* lead_wait(): Lua waits, and goes on, without having got the turn -> whether that was so */
int lead_wait(lua_State *L);

/* lead_came_by(times) */
int lead_came_by(lua_State *L);

/* lead_give(has_mail, how) -> whether the keeper's thread has stood by; if so until Lua did `how`, "post" or "hurry" */
int lead_give(lua_State *L);

#endif
