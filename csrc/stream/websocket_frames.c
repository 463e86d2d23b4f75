#include "stream/websocket_frames.h"

#include <string.h>
#include <sys/types.h>
#include <wslay/wslay.h>

#include "core/reason.h"
#include "core/topic.h"
#include "sys/entropy.h"

/* ---- what libwslay calls ---- */

static ssize_t give(uint8_t *buffer, size_t room, int flags, void *context) {
  hf_frames *frames = context;
  (void)flags;
  size_t length = frames->from_length < room ? frames->from_length : room;
  if (length == 0) return -1;
  memcpy(buffer, frames->from, length);
  frames->from += length;
  frames->from_length -= length;
  return (ssize_t)length;
}

static ssize_t take(const uint8_t *bytes, size_t length, int flags, void *context) {
  hf_frames *frames = context;
  (void)flags;
  memcpy(frames->to + frames->to_length, bytes, length);
  frames->to_length += length;
  return (ssize_t)length;
}

static int make_mask(uint8_t *mask, size_t length, void *context) {
  hf_frames *frames = context;
  if (!frames->half_mask) frames->masks = hf_entropy();
  memcpy(mask, &frames->masks, length);
  frames->masks >>= 32;
  frames->half_mask = !frames->half_mask;
  return 0;
}

bool hf_frames_init(hf_frames *frames) {
  const struct wslay_frame_callbacks callbacks = {take, give, make_mask};
  *frames = (hf_frames){0};
  return wslay_frame_context_init(&frames->context, &callbacks, frames) == 0;
}

void hf_frames_free(hf_frames *frames) {
  if (frames->context) wslay_frame_context_free(frames->context);
  frames->context = NULL;
}

/* ---- reading ---- */

static void violate(hf_frames *frames, int code, const char *problem) {
  frames->problem = problem;
  frames->code = (uint16_t)code;
}

static void begin_frame(hf_frames *frames, const struct wslay_frame_iocb *frame) {
  bool continues = frame->opcode == WSLAY_CONTINUATION_FRAME;
  frames->in_frame = true;
  frames->opcode = frame->opcode;
  frames->final = frame->fin;
  frames->left = frame->payload_length;
  frames->control_length = 0;
  if (frame->mask)
    violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a masked frame");
  else if (frame->rsv)
    violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a reserved bit is set");
  else if (wslay_is_ctrl_frame(frame->opcode)) {
    if (frame->opcode > WSLAY_PONG)
      violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a control frame of an unknown kind");
    else if (!frame->fin || frame->payload_length > HF_FRAME_CONTROL)
      violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a control frame in pieces, or too long");
  } else if (frame->opcode == WSLAY_TEXT_FRAME)
    violate(frames, HF_WEBSOCKET_UNACCEPTABLE, "a frame of text");
  else if (frame->opcode > WSLAY_BINARY_FRAME)
    violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a frame of an unknown kind");
  else if (continues != frames->in_message)
    violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR,
            continues ? "a message that goes on without having begun" : "a message within a message");
}

/* RFC 6455 section 7.4. */
static bool may_be_sent(unsigned code) {
  bool reserved = code == 1004 || code == 1005 || code == 1006 || code == 1015;
  return (code >= 1000 && code <= 1014 && !reserved) || (code >= 3000 && code <= 4999);
}

static void read_close(hf_frames *frames) {
  frames->closed = true;
  if (frames->control_length == 0) return;
  unsigned code = frames->control_length == 1 ? 0 : (unsigned)(frames->control[0] << 8 | frames->control[1]);
  hf_bytes why = {(const char *)frames->control + 2, frames->control_length > 2 ? frames->control_length - 2u : 0};
  if (!may_be_sent(code))
    violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a Close with a code that there is not");
  else if (why.length && hf_utf8_malformed(why))
    violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a Close whose words are no UTF-8");
  else
    frames->code = (uint16_t)code;
  frames->control[frames->control_length] = '\0';
}

static void end_frame(hf_frames *frames) {
  frames->in_frame = false;
  if (!wslay_is_ctrl_frame(frames->opcode)) {
    frames->in_message = !frames->final;
  } else if (frames->opcode == WSLAY_CONNECTION_CLOSE) {
    read_close(frames);
  } else if (frames->opcode == WSLAY_PING) {
    memcpy(frames->pong_payload, frames->control, frames->control_length);
    frames->pong_length = frames->control_length;
    frames->pong = true;
  }
}

/* How much of it is payload of a message's. */
static size_t keep(hf_frames *frames, const struct wslay_frame_iocb *frame, uint8_t *payload) {
  bool control = wslay_is_ctrl_frame(frames->opcode);
  if (frame->data_length == 0) return 0;
  memcpy(control ? frames->control + frames->control_length : payload, frame->data, frame->data_length);
  if (control) frames->control_length = (uint8_t)(frames->control_length + frame->data_length);
  return control ? 0 : frame->data_length;
}

size_t hf_frames_read(hf_frames *frames, const void *bytes, size_t length, uint8_t *payload) {
  size_t done = 0;
  frames->from = bytes;
  frames->from_length = length;
  while (!frames->problem && !frames->closed) {
    struct wslay_frame_iocb frame = {0};
    ssize_t got = wslay_frame_recv(frames->context, &frame);
    if (got == WSLAY_ERR_WANT_READ) break;
    if (got < 0) {
      violate(frames, HF_WEBSOCKET_PROTOCOL_ERROR, "a frame that cannot be one");
      break;
    }
    if (!frames->in_frame) begin_frame(frames, &frame);
    if (frames->problem) break;
    done += keep(frames, &frame, payload + done);
    frames->left -= frame.data_length;
    if (frames->left == 0) end_frame(frames);
  }
  return done;
}

/* ---- writing ---- */

static size_t write_frame(hf_frames *frames, uint8_t opcode, const void *bytes, size_t length, uint8_t *to) {
  struct wslay_frame_iocb frame = {
      .fin = 1, .opcode = opcode, .payload_length = length, .mask = 1, .data = bytes, .data_length = length};
  frames->to = to;
  frames->to_length = 0;
  wslay_frame_send(frames->context, &frame); /* takes all of it at once, since `take` does */
  return frames->to_length;
}

size_t hf_frames_write(hf_frames *frames, const void *bytes, size_t length, uint8_t *to) {
  return write_frame(frames, WSLAY_BINARY_FRAME, bytes, length, to);
}

size_t hf_frames_write_pong(hf_frames *frames, uint8_t *to) {
  frames->pong = false;
  return write_frame(frames, WSLAY_PONG, frames->pong_payload, frames->pong_length, to);
}

size_t hf_frames_write_close(hf_frames *frames, uint16_t code, uint8_t *to) {
  const uint8_t bytes[] = {(uint8_t)(code >> 8), (uint8_t)code};
  return write_frame(frames, WSLAY_CONNECTION_CLOSE, bytes, code ? sizeof bytes : 0, to);
}
