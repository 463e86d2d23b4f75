/* websocket_frames.h: bytes of a stream to the frames of a WebSocket and back (RFC 6455 section 5), for a client of
 * MQTT.
 *
 * No I/O: libwslay reads and writes headers and masks, this adds what it leaves to
 * its caller. No frame is kept whole and none is a message of MQTT's (section 6 of
 * MQTT 5): payload goes through as it comes. It costs the same whatever the peer
 * sends: of its pings the last is answered. The caller owns the struct. Only the
 * loop's thread.
 */
#ifndef HF_STREAM_WEBSOCKET_FRAMES_H
#define HF_STREAM_WEBSOCKET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  HF_FRAME = 65536,              /* bytes of ours that go into one, so that pong and close get between */
  HF_FRAME_ROOM = HF_FRAME + 14, /* and its header */
  HF_FRAME_CONTROL = 125         /* most bytes that a control frame carries */
};

typedef struct hf_frames {
  struct wslay_frame_context *context;
  const uint8_t *from; /* what is being read */
  size_t from_length;
  uint8_t *to; /* and written; it always has the room */
  size_t to_length;
  uint64_t masks;      /* entropy that no frame has used yet */
  uint64_t left;       /* of the payload of the frame that is being read */
  const char *problem; /* what the peer did against the protocol; NULL: nothing */
  uint16_t code;       /* what it is told then, or has told us in its Close; 0: no Close has come, or it has no code */
  uint8_t opcode;      /* of that frame */
  uint8_t control_length; /* of a control frame, so far */
  uint8_t pong_length;
  bool in_frame, in_message, final;
  bool pong;                             /* is owed */
  bool closed;                           /* its Close has come */
  bool half_mask;                        /* one of two is left */
  uint8_t control[HF_FRAME_CONTROL + 1]; /* ended by a NUL when it is whole */
  uint8_t pong_payload[HF_FRAME_CONTROL];
} hf_frames;

bool hf_frames_init(hf_frames *frames); /* false: no memory */
void hf_frames_free(hf_frames *frames);

/* All of the bytes; what of them is payload goes to `payload`, which has room for as many. How many those were. False
 * in `frames` by `problem` or `closed`: the rest of the bytes is nothing then, and no more may be given. */
size_t hf_frames_read(hf_frames *frames, const void *bytes, size_t length, uint8_t *payload);

/* A frame into `to`, which has HF_FRAME_ROOM: at most HF_FRAME bytes of a message's, a pong as it is owed, a Close.
 * Its length. */
size_t hf_frames_write(hf_frames *frames, const void *bytes, size_t length, uint8_t *to);
size_t hf_frames_write_pong(hf_frames *frames, uint8_t *to);
size_t hf_frames_write_close(hf_frames *frames, uint16_t code, uint8_t *to); /* 0: without one */

#endif
