/* A WebSocket against a server that says what the input says: any bytes for an answer to the handshake, or one that
 * opens it and then frames, sound and not, in any pieces. What goes out is a request and whole masked frames of at most
 * 64 KiB with nothing behind Close, payload comes in the order of its frames and is never more than came, work is
 * linear in it, and an end has a reason or is a Close in good order. */
#include "stream/websocket.h"

#include <openssl/evp.h>

#include "../support/scripted_stream.h"
#include "bytes.h"
#include "core/http.h"

enum { LONGEST = 256 * 1024 };

static hf_loop loop;
static uint8_t out[LONGEST], in[65536];
static bool over;

static void changed(void *owner) {
  hf_stream *stream = *(hf_stream **)owner;
  over = over || stream->operations->state(stream) == HF_STREAM_ENDED;
}

static void turn(void) {
  loop.now++;
  hf_loop_fire(&loop);
  hf_loop_run(&loop);
}

static void welcome(hf_scripted *peer, const char *request) {
  char key[128], answer[512];
  unsigned char digest[20], accept[29];
  const char *at = strstr(request, "Sec-WebSocket-Key: ");
  promise(at);
  snprintf(key, sizeof key, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", at + 19);
  EVP_Digest(key, strlen(key), digest, NULL, EVP_sha1(), NULL);
  EVP_EncodeBlock(accept, digest, sizeof digest);
  int length = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
                        accept);
  hf_scripted_feed(peer, answer, (size_t)length);
}

/* What we wrote is whole frames, but for the last one of a stream that has ended; of messages' payload how much. */
static size_t check_frames(const uint8_t *at, size_t length) {
  size_t payload = 0;
  bool closed = false;
  while (length > 0) {
    promise(!closed && (length >= 6 || over));
    if (length < 6) return payload;
    size_t size = at[1] & 0x7F, head = 2;
    if (size == 126) {
      size = (size_t)(at[2] << 8 | at[3]);
      head = 4;
    } else if (size == 127) {
      promise(!at[2] && !at[3] && !at[4] && !at[5]);
      if (length < 10 && over) return payload;
      promise(length >= 10);
      size = (size_t)at[6] << 24 | (size_t)at[7] << 16 | (size_t)at[8] << 8 | at[9];
      head = 10;
    }
    unsigned opcode = at[0] & 0x0F;
    promise((at[0] & 0xF0) == 0x80 && (at[1] & 0x80) && size <= 65536);
    promise(opcode == 2 || opcode == 8 || opcode == 10);
    closed = opcode == 8;
    if (opcode == 2) payload += size;
    if (length < head + 4 + size && over) return payload;
    promise(length >= head + 4 + size);
    at += head + 4 + size;
    length -= head + 4 + size;
  }
  return payload;
}

static void check_end(const hf_stream *stream) {
  hf_stream_end end;
  stream->operations->end(stream, &end);
  promise(memchr(end.text, '\0', sizeof end.text) && memchr(end.location, '\0', sizeof end.location));
  promise(!end.location[0] || (end.reason->source == HF_SOURCE_HTTP && end.code / 100 == 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size};
  hf_stream *stream;
  const char *const address = "127.0.0.1";
  const hf_stream_target target = {.host = "h",
                                   .addresses = &address,
                                   .address_count = 1,
                                   .port = 80,
                                   .road = HF_ROAD_WEBSOCKET,
                                   .path = "/p",
                                   .headers = "A: b\r\n"};
  static bool made;
  if (!made) hf_loop_init(&loop, NULL);
  made = true;
  over = false;
  stream = hf_websocket_open(&loop, &target, (hf_stream_watcher){changed, &stream}, hf_scripted_open);
  hf_scripted *peer = hf_scripted_next();
  hf_scripted_connect(peer);
  turn();
  size_t asked = hf_scripted_take(peer, out, sizeof out - 1), wrote = 0, written = 0, came = 0, fed = 0;
  out[asked] = '\0';
  promise(strstr((char *)out, "\r\n\r\n") == (char *)out + asked - 4);
  uint8_t how = take_byte(&from);
  if (how & 1) welcome(peer, (char *)out);
  hf_scripted_piece(peer, how >> 1 & 7);
  while (from.left > 0 && !over) {
    uint8_t what = take_byte(&from);
    hf_bytes text = take_text(&from);
    if (what % 4 == 0) {
      hf_scripted_allow(peer, what % 8 ? SIZE_MAX : text.length);
      written += stream->operations->write(stream, text.data, text.length);
    } else {
      const char head[] = {(char)(0x80 | (what >> 2 & 0x0F)), (char)text.length};
      if (what % 4 == 1 && text.length < 126) hf_scripted_feed(peer, head, sizeof head);
      hf_scripted_feed(peer, text.data, text.length);
      fed += sizeof head + text.length; /* a head may be payload of a frame before it */
    }
    free_text(text);
    turn();
    ptrdiff_t got = 0;
    do
      got = stream->operations->read(stream, in, sizeof in);
    while (got > 0 && (came += (size_t)got));
    over = over || got < 0;
    turn();
  }
  promise(came <= fed);
  if (stream->operations->state(stream) == HF_STREAM_ENDED) check_end(stream);
  hf_scripted_allow(peer, SIZE_MAX);
  turn();
  wrote = hf_scripted_take(peer, out, sizeof out);
  promise(check_frames(out, wrote) <= written);
  stream->operations->abort(stream);
  hf_scripted_free(peer);
  turn();
  return 0;
}
