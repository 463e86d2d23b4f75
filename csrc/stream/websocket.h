/* websocket.h: a stream in the binary frames of a WebSocket, over any other (RFC 6455; MQTT 5 section 6).
 *
 * Nobody who reads or writes sees frames: what goes in is sent as they fit, what
 * comes out was in one message or in many. The server's Close is an end with its
 * code as the reason; our leave says Close, then leaves the stream below.
 */
#ifndef HF_STREAM_WEBSOCKET_H
#define HF_STREAM_WEBSOCKET_H

#include "stream/stream.h"

/* `lower` opens the stream below towards the same target. */
hf_stream *hf_websocket_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher,
                             hf_stream_open_function *lower);

#endif
