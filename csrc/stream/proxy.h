/* proxy.h: a stream through a proxy, which has opened once the proxy has a way to the server.
 *
 * From then on bytes go through as they are. It opens the one below by itself and
 * owns it: TCP to the proxy, or TLS over that.
 */
#ifndef HF_STREAM_PROXY_H
#define HF_STREAM_PROXY_H

#include "stream/stream.h"

/* The target has a proxy. `plain` opens a stream of TCP. */
hf_stream *hf_proxy_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher,
                         hf_stream_open_function *plain);

#endif
