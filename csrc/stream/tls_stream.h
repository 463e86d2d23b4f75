/* tls_stream.h: a stream of TLS over another stream.
 *
 * It opens the one below by itself and owns it: TCP, a proxy, whatever else
 * carries bytes. Handshakes run as tasks of the loop, some 5 ms of them a turn
 * at most, so that a thousand at once delay nobody's keep alive.
 */
#ifndef HF_STREAM_TLS_STREAM_H
#define HF_STREAM_TLS_STREAM_H

#include "stream/stream.h"

enum { HF_TLS_TURN = 5000 /* us */ };

hf_stream *hf_tls_stream_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher,
                              hf_stream_open_function *lower);

#endif
