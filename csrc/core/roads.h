/* roads.h: which of two roads to a server has worked lately.
 *
 * Where TLS over TCP was there and QUIC was not, the next attempts at that server
 * begin with TCP for ten minutes, and QUIC has what was TCP's place: 250 ms
 * later. Another network is another matter, so a hint that it may be one has all
 * of it forgotten; and so has QUIC that has answered. At most so many servers; the
 * oldest gives its place to the next. Pure, on the owner's struct; any thread, one
 * at a time.
 */
#ifndef HF_CORE_ROADS_H
#define HF_CORE_ROADS_H

#include <stdbool.h>
#include <stdint.h>

enum { HF_ROADS = 32, HF_ROADS_FOR = 10 * 60 * 1000 /* ms */ };

typedef struct hf_roads { /* of zeros: nothing is known */
  struct {
    uint64_t server; /* a digest of its host and port; 0: none */
    int64_t until;
  } blocked[HF_ROADS];
} hf_roads;

bool hf_roads_blocked(const hf_roads *roads, const char *host, uint16_t port, int64_t now);
void hf_roads_note(hf_roads *roads, const char *host, uint16_t port, int64_t now); /* QUIC was not there */
void hf_roads_clear(hf_roads *roads, const char *host, uint16_t port);             /* it was */
void hf_roads_forget(hf_roads *roads);

#endif
