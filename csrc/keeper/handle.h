/* handle.h: a client's reference count, and its end.
 *
 * Every mail that names a client holds it (client.h: hf_client_hold, _drop); the
 * last reference takes the memory along, on whichever thread that is. Any thread
 * may call.
 */
#ifndef HF_KEEPER_HANDLE_H
#define HF_KEEPER_HANDLE_H

#include "keeper/client.h"

void hf_client_gone(hf_client *client); /* it is counted no more; as often as you like */
void hf_client_free(hf_client *client); /* which nobody else has seen yet */

#endif
