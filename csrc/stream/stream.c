#include "stream/stream.h"

#include "stream/proxy.h"
#include "stream/quic.h"
#include "stream/race.h"
#include "stream/tcp.h"
#include "stream/tls_stream.h"
#include "stream/websocket.h"

static hf_stream *open_carrier(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  return target->proxy ? hf_proxy_open(loop, target, watcher, hf_tcp_open) : hf_tcp_open(loop, target, watcher);
}

static hf_stream *open_below(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  return target->tls ? hf_tls_stream_open(loop, target, watcher, open_carrier) : open_carrier(loop, target, watcher);
}

void hf_stream_find_path(const hf_stream *stream, hf_stream_path *path) {
  *path = (hf_stream_path){.road = HF_ROAD_TCP, HF_STREAM_PATH_UNKNOWN};
  if (stream->operations->path) stream->operations->path(stream, path);
}

hf_stream *hf_stream_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  if (target->road == HF_ROAD_QUIC && target->beside.port) return hf_race_open(loop, target, watcher);
  if (target->road == HF_ROAD_QUIC) return hf_quic_open(loop, target, watcher);
  bool framed = target->road == HF_ROAD_WEBSOCKET;
  return framed ? hf_websocket_open(loop, target, watcher, open_below) : open_below(loop, target, watcher);
}
