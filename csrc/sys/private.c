#include "sys/private.h"

#include <stdatomic.h>
#include <unistd.h>

/* A bit a descriptor; what lies past it is inherited. The pages of those that are never used are never there. */
enum { DESCRIPTORS = 1 << 20, BITS = 32 };

static atomic_uint marks[DESCRIPTORS / BITS];
static atomic_int most; /* that was ever marked */

void hf_private_mark(int descriptor) {
  if (descriptor < 0 || descriptor >= DESCRIPTORS) return;
  atomic_fetch_or(&marks[descriptor / BITS], 1u << descriptor % BITS);
  int before = atomic_load(&most);
  while (before < descriptor && !atomic_compare_exchange_weak(&most, &before, descriptor))
    ;
}

void hf_private_unmark(int descriptor) {
  if (descriptor < 0 || descriptor >= DESCRIPTORS) return;
  atomic_fetch_and(&marks[descriptor / BITS], ~(1u << descriptor % BITS));
}

void hf_private_close_all(void) {
  for (int word = 0; word <= atomic_load(&most) / BITS; word++) {
    unsigned left = atomic_load(&marks[word]);
    for (int bit = 0; left; bit++, left >>= 1)
      if (left & 1) close(word * BITS + bit);
  }
}
