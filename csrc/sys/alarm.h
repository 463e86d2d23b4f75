/* alarm.h: a descriptor that is readable when another one is, or once a time has come.
 *
 * For event loops that wait on descriptors alone and can be given one more, but
 * no timer; and, without another one, for who waits in poll(2), whose own timeout
 * does not count what a machine sleeps (sys/clock.h). The caller owns the struct and the other descriptor, which must
 * outlive it; one thread at a time. An epoll set of that descriptor and a timer.
 */
#ifndef HF_SYS_ALARM_H
#define HF_SYS_ALARM_H

#include <stdbool.h>

typedef struct hf_alarm {
  int descriptor; /* -1 when closed */
  int timer;
} hf_alarm;

bool hf_alarm_init(hf_alarm *alarm, int other);     /* -1: the time alone; false: no descriptor to be had (errno) */
bool hf_alarm_set(hf_alarm *alarm, double seconds); /* from now on, in place of any time before; below 0: never */
void hf_alarm_close(hf_alarm *alarm);

#endif
