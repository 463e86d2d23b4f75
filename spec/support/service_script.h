/* service_script.h: what keeper_probe's keeper finds when it asks for the servers of a service.
 *
 * script { service = "priority weight port host ttl, ..." }, or "" where there are
 * none. Call on the thread of the lua_State, which turns the keeper.
 */
#ifndef SPEC_SERVICE_SCRIPT_H
#define SPEC_SERVICE_SCRIPT_H

#include "keeper/inside.h"
#include "lua/compat.h"

void hf_service_script(lua_State *L, hf_keeper *keeper); /* of the table at 1 */
void hf_service_script_over(hf_keeper *keeper);
int hf_service_questions(lua_State *L); /* -> how many there were */

#endif
