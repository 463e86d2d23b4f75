#define _DEFAULT_SOURCE /* madvise */
#include "sys/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

void *hf_large_block(size_t size) {
  enum { HUGE_PAGE = 2 << 20 };
  if (size < HUGE_PAGE) return malloc(size);
  void *block = NULL;
  if (posix_memalign(&block, HUGE_PAGE, size) != 0) return NULL;
#ifdef MADV_HUGEPAGE
  /* Only advice: without it the block is as good, and slower. */
  madvise(block, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return block;
}
