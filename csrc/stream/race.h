/* race.h: QUIC, and TLS over TCP beside it, of which the first that has opened is the stream.
 *
 * Happy eyeballs (RFC 8305) between two roads to one server: the second begins
 * 250 ms after the first, which is that document's Connection Attempt Delay, or as
 * soon as the first has failed; whichever has shaken hands wins, and the other is
 * closed in that moment. The owner writes nothing before, so that one server alone
 * ever sees a CONNECT. Each road tries all addresses by itself. Where both fail
 * there is one end: the reason of the one that says more, and the words of both.
 *
 * A stream as any other (stream.h), in front of the one that has won; `path` has
 * what became of the other one. Only the thread that turns the loop.
 */
#ifndef HF_STREAM_RACE_H
#define HF_STREAM_RACE_H

#include "stream/stream.h"

hf_stream_open_function hf_race_open; /* of a target with a `beside` */

#endif
