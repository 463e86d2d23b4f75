/* frames.h: what is in the packets that we send, read as they are encrypted.
 *
 * ngtcp2 tells neither that it sends bytes once more, nor that the peer wants none
 * of a stream any more (STOP_SENDING) before something is written again; but both
 * are in the frames that it makes: a STREAM frame that begins before the end of
 * those before it, and the RESET_STREAM by which it answers. The payload is our
 * own, and read where it lies. Pure.
 */
#ifndef HF_QUIC_FRAMES_H
#define HF_QUIC_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hf_quic_sent { /* of the connection's one stream; of zeros at first */
  uint64_t packets;
  uint64_t again; /* packets with bytes of the stream that an earlier one had as well */
  uint64_t end;   /* of the stream, as far as it has been sent */
  bool reset;     /* we have, since the peer wants no more of it */
} hf_quic_sent;

void hf_quic_frames_note(hf_quic_sent *sent, const uint8_t *payload, size_t length); /* of one packet */

#endif
