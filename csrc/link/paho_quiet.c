#include "link/paho_link.h"

#include "sys/clock.h"

/* When a connection with QoS 2 state to resume is accepted, Paho 1.3.12 sends again what every connected client of the
 * process has in flight, not only the one that resumes (MQTTAsync_completeConnection, MQTTProtocol_retry). A QoS 1
 * message arrives twice then; worse, a PUBREL that goes out twice is answered twice, and the second answer is taken for
 * that of whatever has got the packet id meanwhile. So nobody may have anything in flight at that moment: whoever wants
 * to resume waits until the others' publishes are answered, and new ones wait until it has its CONNACK. One link
 * resumes at a time: what it has resumed is in flight when the next is accepted. */

/* For brokers that do not answer nobody waits longer than this, ms: for publishes in flight, and for another link. */
enum { PATIENCE = 500, PATIENCE_WITH_ANOTHER = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf under every link's */
static size_t in_flight;                                 /* publishes of QoS 1 and 2 on connections that are up */
static unsigned wanted;                                  /* links that wait for quiet, or resume */
static const hf_link *resuming;                          /* the one that does; NULL: none */

bool hf_paho_quiet_enter(void) {
  pthread_mutex_lock(&lock);
  bool free = wanted == 0;
  if (free) in_flight++;
  pthread_mutex_unlock(&lock);
  return free;
}

void hf_paho_quiet_count(size_t more, size_t less) {
  pthread_mutex_lock(&lock);
  in_flight += more;
  in_flight -= less;
  pthread_mutex_unlock(&lock);
}

bool hf_paho_quiet_clear(hf_link *link) {
  pthread_mutex_lock(&link->lock);
  bool resumes = link->carried != NULL;
  pthread_mutex_unlock(&link->lock);
  if (!resumes) return true;
  int64_t now = hf_clock_ms();
  pthread_mutex_lock(&lock);
  if (link->quiet == HF_PAHO_LOUD) {
    wanted++;
    link->quiet = HF_PAHO_WANTS_QUIET;
    link->quiet_since = now;
  }
  int64_t waited = now - link->quiet_since;
  bool clear = (!resuming || waited >= PATIENCE_WITH_ANOTHER) && (in_flight == 0 || waited >= PATIENCE);
  if (clear) {
    link->quiet = HF_PAHO_HAS_QUIET;
    resuming = link;
  }
  pthread_mutex_unlock(&lock);
  return clear;
}

void hf_paho_quiet_over(hf_link *link) {
  pthread_mutex_lock(&lock);
  if (link->quiet != HF_PAHO_LOUD) wanted--;
  link->quiet = HF_PAHO_LOUD;
  if (resuming == link) resuming = NULL;
  pthread_mutex_unlock(&lock);
}
