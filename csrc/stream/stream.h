/* stream.h: bytes to a broker and back, whatever road they take.
 *
 * A stream is opened towards one server, opens by itself (all addresses of the
 * name, a proxy, TLS: whatever the target says), carries bytes both ways and ends
 * once. It never waits and asks nobody anything: what must be asked for first
 * (credentials, headers, addresses) is in its target. It belongs to whoever
 * opened it, until that one ends it with hf_stream_finish or hf_stream_abort;
 * the latter frees it at once. Only the thread that turns its loop may call.
 *
 * The owner is told by `changed` that something has become possible: it has
 * opened, there is something to read, there is room to write after there was
 * none, or it has ended. `changed` is never called from within a call of the
 * owner's on that stream. It may end the stream.
 */
#ifndef HF_STREAM_STREAM_H
#define HF_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/phase.h"
#include "core/proxy.h"
#include "core/reason.h"
#include "core/uri.h"
#include "stream/inspect.h"
#include "stream/tls.h"
#include "sys/loop.h"

enum { HF_STREAM_BINDING = 32 /* bytes */ };

typedef struct hf_stream hf_stream;

typedef struct hf_stream_watcher {
  void (*changed)(void *owner);
  void *owner;
} hf_stream_watcher;

typedef struct hf_stream_proxy { /* on the way to a server */
  const hf_proxy *to;
  const char *const *addresses; /* of its host, as those of a server */
  size_t address_count;         /* 1 or more */
  hf_tls_context *tls;          /* to the proxy itself; NULL: plain */
} hf_stream_proxy;

enum { HF_STREAM_VAULT_KEY = 32 /* bytes */ };

/* Where a stream's secrets of a few KB may outlive the process. Until the stream is left. */
typedef struct hf_stream_vault {
  hf_bytes (*look)(void *owner, const unsigned char *key); /* whoever asks wipes and frees it; length 0: nothing */
  void (*keep)(void *owner, const unsigned char *key, hf_bytes secret); /* copied; length 0: nothing any more */
  void *owner;
} hf_stream_vault;
typedef struct hf_stream_beside { /* TLS over TCP to the same host, of which the first of both that opens is taken */
  uint16_t port;                  /* 0: there is none */
  bool first;                     /* it has the head start, and not QUIC */
} hf_stream_beside;

typedef struct hf_stream_target { /* all borrowed until hf_stream_open returns, but the context of tls */
  const char *host;               /* as the user wrote it: for SNI and for the check of the certificate */
  const char *place;              /* whose addresses these are in its stead, and for a proxy to look up; NULL: none */
  const char *const *addresses;   /* of the host, as text (IPv6 with its zone); in the resolver's order */
  size_t address_count;           /* 1 or more; 0 as well where a proxy looks the name up */
  hf_road road;                   /* HF_ROAD_UNIX: the one address is a path, and there is no port */
  uint16_t port;
  uint32_t patience; /* ms that the owner waits for it to open; 0: without end */
  uint32_t quiet;    /* ms that it is silent at most while nothing comes; 0: without end */
  const char *path;  /* of a WebSocket: see hf_uri; NULL: none */
  hf_bytes first; /* bytes that a stream which can writes before all others, as soon as the road allows it: even before
                     the handshake is complete, when who listens can have them arrive again (RFC 9001 section 9.2). May
                     be secrets; length 0: none. See took_first */
  const char *headers;           /* of its request, each a line with its end; may be secrets; NULL: none */
  hf_tls_context *tls;           /* NULL: plain; the stream holds a reference */
  const hf_stream_proxy *proxy;  /* NULL: directly */
  hf_stream_vault vault;         /* of functions that are NULL: none */
  hf_stream_beside beside;       /* HF_ROAD_QUIC: see race.h */
  const hf_inspector *inspector; /* not borrowed: see there; NULL: nobody */
} hf_stream_target;

typedef enum hf_stream_state { HF_STREAM_OPENING, HF_STREAM_OPEN, HF_STREAM_ENDED } hf_stream_state;

typedef struct hf_stream_end { /* why it has ended */
  const hf_reason *reason;     /* NULL: the peer has ended it in good order */
  int code;                    /* as it came, where the reason is for more than one; 0: the reason's */
  uint32_t retry_after;        /* seconds that the server asks to be left alone, at least */
  char text[200];              /* beyond reason->text; "": nothing */
  char location[512];          /* the address that the server sends its clients to; "": none */
} hf_stream_end;

typedef struct hf_stream_progress { /* of the lowest layer: half a TLS record is life, too */
  uint64_t received;                /* bytes */
  uint64_t accepted;                /* bytes the system has taken from us */
  uint64_t acknowledged;            /* of those, what the peer's system has confirmed */
  int64_t quiet_for;   /* ms that something of ours, or a shut window, has waited for the peer's system to confirm
                          anything;   0: nothing waits; -1: nobody can tell (TCP_INFO is not there) */
  bool unacknowledged; /* something that has left is not confirmed yet */
  bool holds;          /* a layer above has taken bytes of the owner's that the lowest has not */
  bool probing; /* the peer's window is shut, and the system has asked it again and has no answer yet; one that lives
                   may leave it without one for a second or so (of two probes in half a second it answers one) */
} hf_stream_progress;

/* What became of bytes that went out before the handshake was complete (0-RTT, RFC 9001 section 4.6). */
typedef enum hf_stream_early {
  HF_STREAM_EARLY_NONE,     /* none did */
  HF_STREAM_EARLY_OFFERED,  /* they are on their way, and the server has not said whether it takes them */
  HF_STREAM_EARLY_ACCEPTED, /* it took them */
  HF_STREAM_EARLY_REJECTED, /* it did not, and they have gone out again after the handshake */
} hf_stream_early;

typedef struct hf_stream_rival { /* the other one of two roads that were tried beside each other */
  bool there;
  const hf_reason *reason; /* why it came to nothing; NULL: it was not as fast */
  int code;
  hf_phase phase; /* that it had reached; HF_PHASE_NONE: it had not begun */
  hf_road road;
} hf_stream_rival;

#define HF_STREAM_UNKNOWN UINT64_MAX

typedef struct hf_stream_path { /* what is known of the way to the server, or to its proxy; else HF_STREAM_UNKNOWN */
  hf_road road;
  uint64_t rtt, rtt_least, rtt_variance; /* us that an answer takes: smoothed (RFC 9002 section 5.3, RFC 6298) */
  uint64_t sent;                         /* packets; over TCP what the system calls segments */
  uint64_t retransmitted;                /* of those, such as have bytes that had been sent before */
  uint64_t moves; /* to another address of ours, that the server has answered at; over TCP there is no such thing */
  hf_stream_early early;
  bool tls;              /* to the server itself */
  bool resumed;          /* and that took up a session of before */
  hf_stream_rival rival; /* once it has opened, or has ended before that */
} hf_stream_path;

#define HF_STREAM_PATH_UNKNOWN                                                                                         \
  .rtt = HF_STREAM_UNKNOWN, .rtt_least = HF_STREAM_UNKNOWN, .rtt_variance = HF_STREAM_UNKNOWN,                         \
  .sent = HF_STREAM_UNKNOWN, .retransmitted = HF_STREAM_UNKNOWN, .moves = HF_STREAM_UNKNOWN

typedef struct hf_stream_operations {
  hf_stream_state (*state)(const hf_stream *stream);
  hf_phase (*phase)(const hf_stream *stream);               /* how far the opening got */
  void (*end)(const hf_stream *stream, hf_stream_end *end); /* once it has ended */

  /* > 0: so many bytes; 0: none now; -1: it has ended, and everything that came before has been read. */
  ptrdiff_t (*read)(hf_stream *stream, void *buffer, size_t room);

  /* Whether there is something to read that no descriptor shows (TLS): read again before waiting. */
  bool (*pending)(const hf_stream *stream);

  /* How many of the bytes it has taken, which are its own from then on; fewer than given: `changed` comes when there is
   * room. The rest must be offered again, in the same order. 0 as well when it has not opened, or has ended. */
  size_t (*write)(hf_stream *stream, const void *bytes, size_t length);

  /* Whether `changed` is wanted for what can be read. True at first. A stream that is not read still notices its end
   * when it is written to. */
  void (*attend)(hf_stream *stream, bool readable);

  void (*progress)(hf_stream *stream, hf_stream_progress *progress);

  /* Leaves in good order: what was accepted goes out, the peer is told (close_notify, FIN), and what still comes is
   * read and thrown away, until the peer's end or for `patience` ms (native-rules 37 of the design: `close` with unread
   * bytes would destroy what is on its way). The stream is on its own from now on and frees itself; `done`, if not
   * NULL, is called once at the end, from the loop. */
  void (*finish)(hf_stream *stream, uint32_t patience, void (*done)(void *owner));

  void (*abort)(hf_stream *stream); /* at once; frees it; nothing is told any more */

  /* What this TLS connection to the server alone has, and the server knows as well ("tls-exporter", RFC 9266); once it
   * has opened. False, or NULL: there is none, and `binding` is as it was. */
  bool (*bind)(const hf_stream *stream, unsigned char binding[HF_STREAM_BINDING]);

  /* The network may be another one than it was: goes on from there, if it can. NULL: it cannot. */
  void (*moved)(hf_stream *stream);

  /* NULL: nothing is known. It asks the system, and so is nothing for each message. */
  void (*path)(const hf_stream *stream, hf_stream_path *path);
} hf_stream_operations;

struct hf_stream { /* the head of every stream's own struct */
  const hf_stream_operations *operations;
  hf_stream_watcher watcher;
  bool took_first; /* once it has opened: it writes, or has written, what its target had to come first */
};

/* NULL when memory is short; everything else that goes wrong, at once or later, is an end that `changed` tells. */
typedef hf_stream *hf_stream_open_function(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher);

hf_stream_open_function hf_stream_open;

void hf_stream_find_path(const hf_stream *stream, hf_stream_path *path); /* of any; HF_ROAD_TCP, if nothing is known */

#endif
