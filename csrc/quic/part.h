/* part.h: what QUIC is to those who join it, and what it has of them.
 *
 * See stream/quic.h, the other side of the seam. Static; any thread.
 */
#ifndef HF_QUIC_PART_H
#define HF_QUIC_PART_H

#include "stream/quic.h"

extern const hf_quic_part hf_quic_part_here;
extern const hf_quic_host *hf_quic_host_there; /* once joined, which is before anything else is called */

hf_stream_open_function hf_quic_stream_open;

#endif
