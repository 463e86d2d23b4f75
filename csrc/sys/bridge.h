/* bridge.h: a stream for hosts that can wait only on what they have opened themselves.
 *
 * nginx's Lua module watches no descriptor of others, but it connects to a unix
 * path. So this side listens there, the host connects from the same process, and
 * this side keeps the other end. The path lies in a folder that only this user
 * may enter, exists only until the connection is made, and a connection of any
 * other process is turned away. The caller owns the struct; one thread at a time;
 * nothing here blocks.
 */
#ifndef HF_SYS_BRIDGE_H
#define HF_SYS_BRIDGE_H

#include <stdbool.h>

typedef struct hf_bridge {
  int listener;    /* -1: nobody is expected */
  char folder[32]; /* empty: none */
  char path[40];
} hf_bridge;

void hf_bridge_init(hf_bridge *bridge);

/* Begins to listen at `path`. False: errno tells why not, and nothing is left behind. */
bool hf_bridge_listen(hf_bridge *bridge);

/* The end of a connection that this process has made to `path`, non-blocking; it belongs to the caller. -1 when there
 * is none (errno). Listens no more, either way. */
int hf_bridge_accept(hf_bridge *bridge);

void hf_bridge_close(hf_bridge *bridge);

#endif
