#include "work.h"

uint64_t work_done;

/* What -fsanitize-coverage=trace-pc calls. */
__attribute__((visibility("hidden"))) void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void) {
  work_done++;
}
