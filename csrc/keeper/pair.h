/* pair.h: two servers of a list that are tried in one attempt, QUIC and TLS over TCP of one host.
 *
 * Which are is in the options (hf_options_pair); the streams race (stream/race.h),
 * and here is what the client makes of it: which of the two it is with, what
 * `history` says of the other, and what is remembered (roads.h). Where it goes by
 * a server reference or a service there is no pair. For the thread that turns the
 * keeper.
 */
#ifndef HF_KEEPER_PAIR_H
#define HF_KEEPER_PAIR_H

#include "stream/stream.h"

struct hf_client;

hf_stream_beside hf_pair_beside(const struct hf_client *client); /* of the attempt that begins */

/* How the race of the running attempt came out. True: it is with the second of the pair, which is the client's server
 * from now on. */
bool hf_pair_failed(struct hf_client *client, const hf_stream_rival *rival);
bool hf_pair_connected(struct hf_client *client, const hf_stream_rival *rival);

#endif
