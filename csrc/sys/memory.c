#define _DEFAULT_SOURCE /* madvise */
#include "sys/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

void *hf_large_block(size_t size) {
  enum { HUGE_PAGE = 2 << 20 };
  if (size < HUGE_PAGE) return malloc(size);
  void *block = NULL;
  size_t whole = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  if (whole < size || posix_memalign(&block, HUGE_PAGE, whole) != 0) return NULL;
#ifdef MADV_HUGEPAGE
  madvise(block, whole, MADV_HUGEPAGE); /* only advice: without it the block is as good, and slower */
#endif
  return block;
}
