/* post_race.h: one thread posts and asks for other things, another takes what crosses, as the keeper does.
 *
 * For keeper_probe, whose keeper has no thread of its own. Called on the thread of
 * a Lua state; the other thread has ended when it returns.
 */
#ifndef HF_SPEC_POST_RACE_H
#define HF_SPEC_POST_RACE_H

#include "lua/compat.h"

/* post_race(handle of a client, posts) -> messages that came in their turn and whole, what came out of its turn,
 * mails that they came in, and how often one was added to a mail that the other thread had not taken yet */
int post_race(lua_State *L);

#endif
