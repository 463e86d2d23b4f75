#include "stream/inspect.h"

#include "sys/clock.h"

void hf_inspect(const hf_inspector *inspector, hf_step *step) {
  if (!step) return;
  step->at = hf_clock_us();
  inspector->told(inspector->owner, step);
}

void hf_inspect_address(const hf_inspector *inspector, const char *address, uint16_t port, bool quic, const char *state,
                        const char *problem) {
  enum { TEXT = 128 /* bytes, of an address, a path or what the system says */ };
  if (!inspector) return;
  hf_step *step = hf_step_new(HF_STEP_TCP, 5 * (HF_STEP_FIELD + TEXT));
  hf_step_text(step, "state", state);
  hf_step_text(step, "address", address);
  if (address[0] != '/') hf_step_number(step, "port", port);
  if (quic) hf_step_flag(step, "quic", true);
  hf_step_text(step, "problem", problem);
  hf_inspect(inspector, step);
}
