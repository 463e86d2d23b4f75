/* tcp.h: the lowest stream, bytes over TCP.
 *
 * The connection is the one that csrc/stream/connect finds first. Nothing is kept
 * here: what the system takes is accepted, what it does not is the owner's still.
 */
#ifndef HF_STREAM_TCP_H
#define HF_STREAM_TCP_H

#include "stream/stream.h"

hf_stream_open_function hf_tcp_open; /* whatever `tls` of the target says */

#endif
