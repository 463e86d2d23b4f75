/* fifo.h: bytes in a line that do not move.
 *
 * ngtcp2 keeps no copy of what a stream sends: it points into what it was given
 * until the peer has acknowledged it. So bytes are put into chunks that stay
 * where they are until they are let go from the front. Three marks count from the
 * beginning of the stream: up to `gone` they have been let go, up to `given` they
 * have been given to ngtcp2, up to `end` there are some. What comes in is kept
 * likewise, and then only the first and the last mark mean something. Bytes are wiped
 * when they are let go: a password may be among them. Belongs to whoever holds it;
 * pure but for malloc.
 */
#ifndef HF_QUIC_FIFO_H
#define HF_QUIC_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/properties.h"

typedef struct hf_quic_chunk hf_quic_chunk;

typedef struct hf_quic_fifo { /* one of zeros is empty */
  hf_quic_chunk *first, *last;
  uint64_t gone, given, end;
} hf_quic_fifo;

size_t hf_quic_fifo_add(hf_quic_fifo *fifo, const void *bytes, size_t length); /* fewer when memory is short */
void hf_quic_fifo_let_go(hf_quic_fifo *fifo, uint64_t until);
size_t hf_quic_fifo_take(hf_quic_fifo *fifo, void *buffer, size_t room); /* copies from the front, and lets go */
void hf_quic_fifo_give_again(hf_quic_fifo *fifo); /* what was given and not let go has not been given */
void hf_quic_fifo_clear(hf_quic_fifo *fifo);      /* the marks begin anew */

/* What has not been given yet, in at most `most` pieces; how many. */
size_t hf_quic_fifo_rest(const hf_quic_fifo *fifo, hf_bytes *pieces, size_t most);

#endif
