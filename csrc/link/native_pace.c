#include "link/native_link.h"

/* A broker is always read, so that nobody who waits for something of it waits for ever; with one exception. One that
 * keeps to the protocol can leave 65,535 answers of ours unread, one a packet id ([MQTT-2.2.1-4]). One that leaves more
 * gives ids out again before it has read the answers: mosquitto without a window, which reads one packet where it
 * writes hundreds, does that with all it has. It is not read until it has caught up by half, and what it would send
 * meanwhile stays with it. A broker that reads nothing, be it that it waits for us in turn, is left after a while. */

enum {
  MOST = 2 * 65536, /* answers that wait */
  PATIENCE = 60000, /* ms without a byte that the stream takes */
};

static void resume(hf_link *link) {
  link->stuck_at = HF_NATIVE_NEVER;
  link->stream->operations->attend(link->stream, true);
  hf_loop_later(hf_native_loop, &link->again);
}

void hf_native_pace(hf_link *link, bool moved) {
  bool waits = link->stuck_at != HF_NATIVE_NEVER;
  if (waits && link->out.answers <= MOST / 2) {
    resume(link);
  } else if (waits ? moved : link->out.answers > MOST) {
    if (!waits) link->stream->operations->attend(link->stream, false);
    link->stuck_at = hf_native_loop->now + PATIENCE;
  }
}

void hf_native_pace_look(hf_link *link) {
  if (link->state != HF_NATIVE_UP || link->stuck_at > hf_native_loop->now) return;
  if (hf_native_loop->late)
    link->stuck_at = hf_native_loop->now + PATIENCE;
  else
    hf_native_lost(link, "more than 65,536 answers, of which the broker has read none for a minute");
}
