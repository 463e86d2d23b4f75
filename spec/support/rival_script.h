/* rival_script.h: what became of QUIC, where keeper_probe's client has been taken by TCP beside it.
 *
 * script { quic = "none" | "unheard" | "slower" | "refused" }. Call on the thread
 * of the lua_State; nothing is kept.
 */
#ifndef SPEC_RIVAL_SCRIPT_H
#define SPEC_RIVAL_SCRIPT_H

#include "lua/compat.h"
#include "stream/stream.h"

void hf_rival_script(lua_State *L, hf_stream_rival *rival); /* of the table at 1; unchanged where it has none */

#endif
