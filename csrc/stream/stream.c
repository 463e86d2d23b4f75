#include "stream/stream.h"

#include "stream/tcp.h"
#include "stream/tls_stream.h"

hf_stream *hf_stream_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  return target->tls ? hf_tls_stream_open(loop, target, watcher, hf_tcp_open) : hf_tcp_open(loop, target, watcher);
}
