/* connect.h: one connection out of the addresses that a server has (RFC 8305, "happy eyeballs").
 *
 * The families take turns, beginning with that of the first address; the next
 * attempt begins 250 ms after the one before it, or as soon as that has failed;
 * the first connection that is there wins, and the others are closed with the
 * struct. It belongs to whoever began it, who frees it, at any time. Only the loop's thread.
 */
#ifndef HF_STREAM_CONNECT_H
#define HF_STREAM_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include "stream/inspect.h"
#include "sys/loop.h"

enum { HF_CONNECT_STAGGER = 250 /* ms */ };

typedef struct hf_connect hf_connect;

typedef struct hf_connect_watcher {
  /* From the loop: a descriptor, which is the owner's from then on, and who frees the hf_connect in this call; or -1,
   * and then it may do that later. */
  void (*done)(void *owner, int descriptor);
  void *owner;
  const hf_inspector *inspector; /* is told of each address; NULL: nobody is */
} hf_connect_watcher;

/* The addresses are numeric, those of IPv6 with their zone if they have one (RFC 6874 without the URI's escape), or the
 * paths of unix sockets, which begin with a '/' and know no port; they are copied. NULL when memory is short. */
hf_connect *hf_connect_begin(hf_loop *loop, const char *const *addresses, size_t count, uint16_t port,
                             hf_connect_watcher watcher);
void hf_connect_free(hf_connect *connect);

/* After the descriptor -1: of all that went wrong what got furthest, and each address with what it was. */
int hf_connect_error(const hf_connect *connect); /* errno's */
const char *hf_connect_text(const hf_connect *connect);

#endif
