#include "sys/alarm.h"

#include <math.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "sys/clock.h"

static bool watch(int set, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN};
  return epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

bool hf_alarm_init(hf_alarm *alarm, int other) {
  alarm->timer = timerfd_create(HF_CLOCK, TFD_CLOEXEC | TFD_NONBLOCK);
  if (other < 0) {
    alarm->descriptor = alarm->timer;
    return alarm->timer >= 0;
  }
  alarm->descriptor = epoll_create1(EPOLL_CLOEXEC);
  if (alarm->descriptor >= 0 && alarm->timer >= 0 && watch(alarm->descriptor, other) &&
      watch(alarm->descriptor, alarm->timer))
    return true;
  hf_alarm_close(alarm);
  return false;
}

bool hf_alarm_set(hf_alarm *alarm, double seconds) {
  const double longest = 86400.0 * 365; /* keeps time_t in range, and infinity usable */
  struct itimerspec time = {0};
  if (seconds >= 0) {
    seconds = fmin(seconds, longest);
    time.it_value.tv_sec = (time_t)seconds;
    time.it_value.tv_nsec = (long)((seconds - floor(seconds)) * 1e9);
    if (seconds < 1e-9) time.it_value.tv_nsec = 1; /* all zero would stop the timer */
  }
  return timerfd_settime(alarm->timer, 0, &time, NULL) == 0; /* which also ends a ringing */
}

void hf_alarm_close(hf_alarm *alarm) {
  if (alarm->descriptor >= 0 && alarm->descriptor != alarm->timer) close(alarm->descriptor);
  if (alarm->timer >= 0) close(alarm->timer);
  alarm->descriptor = alarm->timer = -1;
}
