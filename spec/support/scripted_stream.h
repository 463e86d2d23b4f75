/* scripted_stream.h: a stream whose other end a spec drives, on any loop, with or without descriptors.
 *
 * hf_scripted_open stands where hf_stream_open does. What has been opened is
 * asked for with hf_scripted_next, belongs to the spec from then on and outlives
 * the stream: what the owner wrote, and how it left, can be looked at until
 * hf_scripted_free. Nothing is told to the owner but by a task of the loop (and,
 * at the end of a leave's patience, by a timer). One thread.
 */
#ifndef HF_SPEC_SUPPORT_SCRIPTED_STREAM_H
#define HF_SPEC_SUPPORT_SCRIPTED_STREAM_H

#include "stream/stream.h"

hf_stream_open_function hf_scripted_open;

typedef struct hf_scripted hf_scripted;

typedef enum hf_scripted_left {
  HF_SCRIPTED_STAYS,
  HF_SCRIPTED_LEAVES,
  HF_SCRIPTED_LEFT,
  HF_SCRIPTED_ABORTED
} hf_scripted_left;

hf_scripted *hf_scripted_next(void); /* the oldest that nobody has asked for yet; NULL: there is none */
void hf_scripted_free(hf_scripted *peer);

/* Where it was opened to; of the addresses the first. */
const char *hf_scripted_host(const hf_scripted *peer);
const char *hf_scripted_address(const hf_scripted *peer);
uint16_t hf_scripted_port(const hf_scripted *peer);

void hf_scripted_phase(hf_scripted *peer, hf_phase phase); /* TCP at first */
void hf_scripted_connect(hf_scripted *peer);               /* it has opened */

/* Bytes for the owner; in each of its reads at most `piece` (0: as many as it likes) from then on. */
void hf_scripted_feed(hf_scripted *peer, const void *bytes, size_t length);
void hf_scripted_piece(hf_scripted *peer, size_t piece);

/* Bytes of the owner's that have been accepted and not been taken yet, oldest first; how many there were. */
size_t hf_scripted_take(hf_scripted *peer, void *buffer, size_t room);

size_t hf_scripted_writes(const hf_scripted *peer); /* calls of the owner's */

/* So many bytes will be accepted from now on; SIZE_MAX, as at first: any. */
void hf_scripted_allow(hf_scripted *peer, size_t room);

/* Once what was fed has been read: NULL for in good order. */
void hf_scripted_end(hf_scripted *peer, const hf_reason *reason, const char *text);

/* What `progress` tells beyond the bytes received and accepted. While it holds back, no byte accepted from then on
 * counts as acknowledged; as long as it does not, all do. */
void hf_scripted_hold_back(hf_scripted *peer, bool holds);
void hf_scripted_quiet(hf_scripted *peer, int64_t quiet_for, bool probing);

bool hf_scripted_attended(const hf_scripted *peer);
hf_scripted_left hf_scripted_how_left(const hf_scripted *peer);
uint32_t hf_scripted_patience(const hf_scripted *peer); /* of its leave */

#endif
