#include "stream/quic.h"

#include <stdatomic.h>
#include <stdio.h>

#include "stream/tls_context.h"
#include "sys/private.h"

static _Atomic(const hf_quic_part *) joined;

static const hf_quic_host host = {.mark = hf_private_mark,
                                  .unmark = hf_private_unmark,
                                  .hold = hf_tls_context_hold,
                                  .drop = hf_tls_context_drop,
                                  .half = hf_tls_context_half,
                                  .judge = hf_tls_context_judge,
                                  .fingerprint = hf_tls_context_fingerprint};

bool hf_quic_join(const hf_quic_part *part, char *problem) {
  static const char other[] = "it is of another version of holdfast";
  const hf_quic_part *before = NULL;
  if (atomic_load(&joined) == part) return true;
  if (part->seam != HF_QUIC_SEAM)
    snprintf(problem, HF_QUIC_PROBLEM, "%s: its seam is %u, here it is %u", other, (unsigned)part->seam,
             (unsigned)HF_QUIC_SEAM);
  else if (part->layout != HF_QUIC_LAYOUT)
    snprintf(problem, HF_QUIC_PROBLEM, "%s: its structs are others", other);
  else if (!part->join(&host, HF_QUIC_SEAM, HF_QUIC_LAYOUT))
    snprintf(problem, HF_QUIC_PROBLEM, "%s: it finds that we do not fit", other);
  else if (atomic_compare_exchange_strong(&joined, &before, part) || before == part)
    return true;
  else
    snprintf(problem, HF_QUIC_PROBLEM, "another one is loaded in this process");
  return false;
}

bool hf_quic_is_there(void) {
  return atomic_load(&joined) != NULL;
}

void hf_quic_release(hf_quic_half *half) {
  const hf_quic_part *part = atomic_load(&joined);
  if (half) part->release(half);
}

hf_tls_context *hf_quic_context_get(const hf_tls_options *options, hf_tls_problem *problem) {
  const hf_quic_part *part = atomic_load(&joined);
  if (!part) {
    *problem = (hf_tls_problem){.reason = hf_reason_find(HF_SOURCE_QUIC, HF_QUIC_MISSING)};
    return NULL;
  }
  hf_tls_context *context = hf_tls_context_get(options, problem);
  if (!context || hf_tls_context_half(context)) return context;
  hf_quic_half *half = part->prepare(options, problem);
  if (half) {
    hf_quic_release(hf_tls_context_keep_half(context, half));
    return context;
  }
  hf_tls_context_drop(context);
  return NULL;
}

hf_tls_context *hf_quic_context_find(const hf_tls_options *options) {
  hf_tls_context *context = hf_tls_context_find(options);
  if (!context || hf_tls_context_half(context)) return context;
  hf_tls_context_drop(context);
  return NULL;
}

hf_stream *hf_quic_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher) {
  return atomic_load(&joined)->open(loop, target, watcher);
}
