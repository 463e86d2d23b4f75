#include "work.h"

uint64_t work_done;

/* What -fsanitize-coverage=trace-pc calls, in the name that the linker gives it. */
__attribute__((visibility("hidden"))) void __wrap___sanitizer_cov_trace_pc(void);

void __wrap___sanitizer_cov_trace_pc(void) {
  work_done++;
}
