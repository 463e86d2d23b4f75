/* trace.h: what the transport library says of itself, on its way to a log.
 *
 * One Lua state of the process hears it, the one that asked last. The lines come
 * on the library's threads and leave as HF_EVENT_TRACE mails in that state's
 * mailbox, at most HF_TRACE_LINES of which are on their way: what is more is
 * dropped and counted, and the next line that finds room says how many. The link
 * has taken payloads and secrets out. hf_trace_listen and hf_trace_taken are for
 * any thread.
 */
#ifndef HF_KEEPER_TRACE_H
#define HF_KEEPER_TRACE_H

#include "keeper/event.h"
#include "keeper/keeper.h"
#include "link/link.h"
#include "sys/mailbox.h"

enum { HF_TRACE_LINES = 1024 };

/* HF_TRACE_OFF ends it, if it is this mailbox's. False when memory is short. */
bool hf_trace_listen(hf_keeper *keeper, hf_mailbox *mailbox, hf_trace_level level);

/* For the link of a transport to tell its lines to. */
hf_trace_line_function *hf_trace_lines_of(hf_transport transport);

void hf_trace_taken(hf_mail *mail); /* frees it */

#endif
