#include "stream/stream.h"

#include "stream/tcp.h"

hf_stream *hf_stream_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  return hf_tcp_open(loop, target, watcher);
}
