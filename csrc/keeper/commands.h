/* commands.h: what the Lua side asks for, and what errands bring, is handled here.
 *
 * For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_COMMANDS_H
#define HF_KEEPER_COMMANDS_H

#include "keeper/command.h"

void hf_commands_mail(hf_client *client, hf_mail *mail); /* takes it */

#endif
