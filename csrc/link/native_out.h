/* native_out.h: bytes on their way to a stream, in the order of writing.
 *
 * Small packets are gathered, so that one write a turn takes all that the turn
 * produced; a large payload is not copied but borrowed from its owner, who keeps
 * it until `written` has passed it. Offsets count the bytes of one connection
 * from 0. Owned by a link; only the thread that turns the loop may call.
 */
#ifndef HF_LINK_NATIVE_OUT_H
#define HF_LINK_NATIVE_OUT_H

#include "stream/stream.h"

typedef struct hf_chunk hf_chunk;

typedef struct hf_out {
  hf_chunk *first, *last;
  uint64_t appended;     /* offset of the end */
  uint64_t written;      /* up to here the stream has taken it */
  size_t answers;        /* of packets that are not written, and of some that are: those of a chunk go together */
  size_t flushed;        /* bytes that were there to be given to the stream last time */
  uint64_t secret_until; /* what comes before it is wiped when it is let go */
} hf_out;

/* Room for `length` bytes at the end; they count when they are committed. NULL when memory is short. */
uint8_t *hf_out_reserve(hf_out *out, size_t length);
void hf_out_commit(hf_out *out, size_t length);
void hf_out_commit_answer(hf_out *out, size_t length); /* and counts among the `answers` */
bool hf_out_borrow(hf_out *out, hf_bytes bytes);       /* false when memory is short */

/* Gives the stream what it takes. True when nothing is left. */
bool hf_out_flush(hf_out *out, hf_stream *stream);
void hf_out_clear(hf_out *out); /* what is left is lost; offsets begin anew */

#endif
