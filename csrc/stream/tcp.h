/* tcp.h: the lowest stream, bytes over TCP. */
#ifndef HF_STREAM_TCP_H
#define HF_STREAM_TCP_H

#include "stream/stream.h"

hf_stream_open_function hf_tcp_open; /* whatever `tls` of the target says */

#endif
