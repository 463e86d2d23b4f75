#include "sys/clock.h"

int64_t hf_clock_us(void) {
  struct timespec now;
  clock_gettime(HF_CLOCK, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t hf_clock_ms(void) {
  return hf_clock_us() / 1000;
}

int64_t hf_clock_wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
