/* mail_race.h: two threads and one mailbox, of which one takes while the other is about to raise the hint.
 *
 * mail_race(rounds) -> how many mails found the hint down though they lay there,
 * and how often it was up with nothing there. For keeper_probe.c; on the thread of
 * the Lua state.
 */
#ifndef HF_SPEC_SUPPORT_MAIL_RACE_H
#define HF_SPEC_SUPPORT_MAIL_RACE_H

#include <lua.h>

int mail_race(lua_State *L);

#endif
