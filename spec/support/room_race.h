/* room_race.h: a queue that one thread fills and another empties, as often as it takes to meet in between.
 *
 * For keeper_probe: the thread that empties it stands in for the keeper, which
 * must have nothing else to do. Call on the thread of the lua_State.
 */
#ifndef HF_SPEC_ROOM_RACE_H
#define HF_SPEC_ROOM_RACE_H

#include "lua/compat.h"

/* room_race(handle of a client, rounds) -> how often a post was refused, and how often nobody has said that there was
 * room since. The client has a queue of one message and was not started. */
int room_race(lua_State *L);

#endif
