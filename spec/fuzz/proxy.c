/* Proxies: any text as the address of one, and one that says what the input says: any bytes for its answers, or sound
 * ones and then any bytes, in any pieces. What goes out before there is a way is what was asked and nothing else; what
 * comes afterwards comes through whole and in order; an end on the way has a reason. */
#include "stream/proxy.h"

#include "../support/scripted_stream.h"
#include "bytes.h"
#include "work.h"

enum { LONGEST = 256 * 1024 };

static const char *const ways[] = {"http://p", "http://u:p@p:3128", "socks5h://p", "socks5://u:p@p", "socks5h://u:p@p"};

enum { WAYS = sizeof ways / sizeof ways[0] };

static hf_loop loop;
static uint8_t out[LONGEST], in[65536], fed[LONGEST];
static hf_proxy proxy;

static void changed(void *owner) {
  (void)owner;
}

static void turn(void) {
  loop.now++;
  hf_loop_fire(&loop);
  hf_loop_run(&loop);
}

static void try_address(hf_bytes text) {
  const char *wrong = NULL;
  linear(text.length, wrong = hf_proxy_parse(text, &proxy));
  if (wrong) {
    promise(strlen(wrong) > 0 && strlen(wrong) < 120);
    return;
  }
  size_t host = strnlen(proxy.host, sizeof proxy.host), most = proxy.socks ? HF_PROXY_SOCKS : HF_PROXY_SECRET;
  promise(host > 0 && host < sizeof proxy.host && proxy.port > 0);
  promise(proxy.username_length <= most && proxy.password_length <= most);
  promise(proxy.login || (!proxy.username_length && !proxy.password_length));
}

/* Sound answers to all that is asked; how much of them. */
static size_t feed_welcome(hf_scripted *peer) {
  static const char http[] = "HTTP/1.1 200 x\r\n\r\n", method[] = "\5\0", login[] = "\5\2\1\0",
                    reply[] = "\5\0\0\1abcdef";
  char both[32];
  size_t length = 0;
  if (proxy.socks) {
    const char *first = proxy.login ? login : method;
    length = proxy.login ? 4 : 2;
    memcpy(both, first, length);
    memcpy(both + length, reply, sizeof reply - 1);
    length += sizeof reply - 1;
  } else {
    length = sizeof http - 1;
    memcpy(both, http, length);
  }
  hf_scripted_feed(peer, both, length);
  return length;
}

static void check_end(const hf_stream *stream) {
  hf_stream_end end;
  stream->operations->end(stream, &end);
  promise(end.reason && memchr(end.text, '\0', sizeof end.text) && !end.location[0]);
}

static void live(hf_stream *stream, hf_scripted *peer, bytes *from) {
  uint8_t how = take_byte(from);
  size_t count = 0, came = 0, skipped = how & 1 ? feed_welcome(peer) : 0;
  bool open = false;
  hf_scripted_piece(peer, how >> 1 & 7);
  while (from->left > 0) {
    hf_bytes text = take_text(from);
    hf_scripted_feed(peer, text.data, text.length);
    memcpy(fed + count, text.data, text.length);
    count += text.length;
    free_text(text);
    turn();
    hf_stream_state state = stream->operations->state(stream);
    if (state == HF_STREAM_ENDED) break;
    if (!open && state == HF_STREAM_OPEN) hf_scripted_take(peer, out, sizeof out); /* all that was asked */
    open = state == HF_STREAM_OPEN;
    for (ptrdiff_t got = 1; open && got > 0;) {
      got = stream->operations->read(stream, in, sizeof in);
      promise(got >= 0 && came + (size_t)got <= count);
      if (skipped) promise(memcmp(in, fed + came, (size_t)got) == 0);
      came += (size_t)got;
    }
  }
  if (skipped && open) promise(came == count);
  if (stream->operations->state(stream) == HF_STREAM_ENDED) check_end(stream);
  if (!open) return;
  promise(stream->operations->write(stream, "mine", 4) == 4);
  promise(hf_scripted_take(peer, out, sizeof out) == 4 && memcmp(out, "mine", 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size < LONGEST ? size : LONGEST};
  const char *const address = "192.0.2.1";
  const hf_stream_proxy way = {.to = &proxy, .addresses = &address, .address_count = 1};
  const hf_stream_target target = {
      .host = "h.example", .addresses = &address, .address_count = 1, .port = 1883, .proxy = &way};
  static bool made;
  if (!made) hf_loop_init(&loop, NULL);
  made = true;
  uint8_t which = take_byte(&from);
  if (which % (WAYS + 1) == WAYS) {
    try_address((hf_bytes){(const char *)from.at, from.left});
    return 0;
  }
  const char *to = ways[which % (WAYS + 1)];
  promise(!hf_proxy_parse((hf_bytes){to, strlen(to)}, &proxy));
  hf_stream *stream = hf_proxy_open(&loop, &target, (hf_stream_watcher){changed, NULL}, hf_scripted_open);
  hf_scripted *peer = hf_scripted_next();
  hf_scripted_connect(peer);
  turn();
  live(stream, peer, &from);
  stream->operations->abort(stream);
  hf_scripted_free(peer);
  turn();
  return 0;
}
