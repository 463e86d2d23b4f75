/* wakeup.h: a descriptor that becomes readable when a thread should look again.
 *
 * It is a hint and holds no data. The caller owns the struct; init and close on
 * one thread, signal and clear on any. An eventfd.
 */
#ifndef HF_SYS_WAKEUP_H
#define HF_SYS_WAKEUP_H

#include <stdbool.h>

typedef struct hf_wakeup {
  int descriptor; /* -1 when closed */
} hf_wakeup;

bool hf_wakeup_init(hf_wakeup *wakeup); /* false: no descriptor to be had (errno) */
void hf_wakeup_signal(hf_wakeup *wakeup);
bool hf_wakeup_clear(hf_wakeup *wakeup); /* false: it was not signalled */
void hf_wakeup_close(hf_wakeup *wakeup);

#endif
