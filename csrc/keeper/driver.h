/* driver.h: the engine's will is done here.
 *
 * Whatever happens to a client is an input of its engine (core/engine.h); the
 * actions that the step answers with, telling, connecting, leaving, are carried out
 * before these return. Rooms beneath do not call: they return what they have
 * found. For the thread that turns the keeper.
 */
#ifndef HF_KEEPER_DRIVER_H
#define HF_KEEPER_DRIVER_H

#include "core/engine.h"
#include "keeper/attempt.h"

/* `down` is what the link said of it; NULL: nothing. */
void hf_driver_step(hf_client *client, hf_engine_event event, const hf_link_down *down);

void hf_driver_fail(hf_client *client, hf_source source, int code, const char *text); /* FAILED, before any link */
void hf_driver_heed(hf_client *client, hf_failure failure);                           /* likewise, if there is one */

/* The same with a link under way, which is left: the attempt fails, or the connection is lost. Nothing where that has
 * happened already. Of HF_SOURCE_CLIENT. */
void hf_driver_heed_at_once(hf_client *client, hf_failure failure);

/* LOST, for a reason of ours: leaves without a word. `text`: what is to be said beyond the reason, or NULL. */
void hf_driver_lose(hf_client *client, hf_client_code code, const char *text);

void hf_driver_renew(hf_client *client); /* another connection in place of this one, without a word if it succeeds */
void hf_driver_hint(hf_client *client);  /* the network may have changed */
void hf_driver_close_when_flushed(hf_client *client);

#endif
