#include "sys/wakeup.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool hf_wakeup_init(hf_wakeup *wakeup) {
  wakeup->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return wakeup->descriptor >= 0;
}

void hf_wakeup_signal(hf_wakeup *wakeup) {
  const uint64_t one = 1;
  /* It can only fail when the counter is full, and then the descriptor is readable anyway. */
  ssize_t written = write(wakeup->descriptor, &one, sizeof one);
  (void)written;
}

bool hf_wakeup_clear(hf_wakeup *wakeup) {
  uint64_t count;
  return read(wakeup->descriptor, &count, sizeof count) > 0;
}

void hf_wakeup_close(hf_wakeup *wakeup) {
  if (wakeup->descriptor >= 0) close(wakeup->descriptor);
  wakeup->descriptor = -1;
}
