/* inspect.h: the steps of an attempt that the keeper itself takes, told where they are asked for.
 *
 * That it has begun, and what names stand for; those after that are the link's.
 * What cannot be told for want of memory is not. For the thread that turns the
 * keeper; nothing is owned here.
 */
#ifndef HF_KEEPER_INSPECT_H
#define HF_KEEPER_INSPECT_H

#include "keeper/client.h"
#include "keeper/finder.h"
#include "keeper/resolver.h"

void hf_inspect_begun(hf_client *client);
void hf_inspect_service(hf_client *client, const hf_found *found);
void hf_inspect_name(hf_client *client, const hf_resolved *resolved);

#endif
