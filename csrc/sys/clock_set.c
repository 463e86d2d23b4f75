#define _GNU_SOURCE
#include "sys/clock_set.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* A timer that never rings in earnest: what ends it is that the clock it counts by is set. */
static bool arm(int descriptor) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const struct itimerspec never = {.it_value.tv_sec = now.tv_sec + (time_t)86400 * 365};
  return timerfd_settime(descriptor, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0;
}

int hf_clock_set_open(void) {
  int descriptor = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (descriptor >= 0 && arm(descriptor)) return descriptor;
  hf_clock_set_close(descriptor);
  return -1;
}

bool hf_clock_set_read(int descriptor) {
  uint64_t rings;
  bool set = read(descriptor, &rings, sizeof rings) < 0 && errno == ECANCELED;
  arm(descriptor);
  return set;
}

void hf_clock_set_close(int descriptor) {
  if (descriptor >= 0) close(descriptor);
}
