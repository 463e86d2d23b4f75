/* inspect.h: who is told of each step of a stream's opening.
 *
 * An inspector is its owner's, and outlives the opening of every stream whose
 * target names it; few have one, and a stream without asks for one pointer only.
 * What it is told it owns. Called on the thread that turns the loop, from within
 * whatever the stream does: it must not touch the stream.
 */
#ifndef HF_STREAM_INSPECT_H
#define HF_STREAM_INSPECT_H

#include "core/step.h"

typedef struct hf_inspector {
  void (*told)(void *owner, hf_step *step);
  void *owner;
} hf_inspector;

/* Now; NULL: memory was short, and nobody is told. */
void hf_inspect(const hf_inspector *inspector, hf_step *step);

/* An address, over QUIC or TCP: it is tried, reached, or `problem` says why not. */
void hf_inspect_address(const hf_inspector *inspector, const char *address, uint16_t port, bool quic, const char *state,
                        const char *problem);

#endif
