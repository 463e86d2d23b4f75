/* connection.h: one QUIC connection with one address of a server, and the one stream in it.
 *
 * Made by a stream (csrc/quic/stream.c), which may have several under way and
 * keeps one. It opens by itself, tells by `changed` that something is new, ends once, and
 * belongs to its maker until hf_quic_connection_free. Bytes of the stream lie in
 * two fifos of the maker's. Only the thread that turns the loop.
 *
 * `changed` is called from the loop alone, never from within a call of the
 * maker's, and may free the connection: nothing comes after it. The rooms: begin
 * (what a handshake is made with), resume (what there is of one before), called
 * (what ngtcp2 tells), drive (datagrams, time), ends (why).
 */
#ifndef HF_QUIC_CONNECTION_H
#define HF_QUIC_CONNECTION_H

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "quic/fifo.h"
#include "quic/frames.h"
#include "quic/half.h"
#include "quic/socket.h"
#include "quic/ticket.h"
#include "quic/versions.h"
#include "stream/stream.h"

typedef struct hf_quic_connection hf_quic_connection;

enum { HF_QUIC_SOCKETS = 2 };

typedef struct hf_quic_plan { /* what all connections of a stream are made with; the stream's */
  hf_loop *loop;
  hf_tls_context *context; /* a reference */
  hf_quic_half *half;      /* the context's */
  hf_quic_fifo *out, *in;  /* the stream's; of the connection that goes early, and of the one that is adopted */
  char *host;              /* for SNI and the look at a certificate: without the dot at its end, or a zone */
  bool is_address;         /* the host is one */
  uint16_t port;
  hf_stream_vault vault; /* of functions that are NULL: none */
  unsigned char key[HF_STREAM_VAULT_KEY];
  uint32_t patience;             /* ms until it must have opened; 0: without end */
  uint32_t quiet;                /* see hf_stream_target */
  const hf_inspector *inspector; /* likewise */
} hf_quic_plan;

typedef struct hf_quic_end {
  const hf_reason *reason; /* NULL: in good order */
  int code;
  char text[200];
} hf_quic_end;

struct hf_quic_connection {
  const hf_quic_plan *plan;
  void (*changed)(hf_quic_connection *connection, void *owner);
  void *owner;
  ngtcp2_conn *conn;
  gnutls_session_t session;
  ngtcp2_crypto_conn_ref reference;        /* from the session to `conn` */
  hf_quic_socket sockets[HF_QUIC_SOCKETS]; /* one, but for a while after it has moved */
  hf_timer timer;                          /* when ngtcp2 has something to do */
  hf_task task;                            /* something to be written, or told, outside of the maker's call */
  hf_quic_fifo *out, *in;
  hf_quic_sent sent;
  hf_bytes ticket;       /* that was offered, until the handshake is complete; data NULL: none */
  uint32_t life;         /* s, of the one that has come */
  hf_stream_early early; /* what became of what was in `out` at first */
  uint8_t *held;         /* a datagram that the system did not take; NULL: none */
  size_t held_length;
  hf_quic_socket *held_by;
  hf_quic_socket *latest;  /* of the sockets */
  int64_t moved_at;        /* ms */
  unsigned moves;          /* to another socket, that the peer has answered on */
  int64_t id;              /* of the stream; -1: it has not opened */
  int64_t heard_at;        /* ms; the last acknowledgement of bytes of the stream's */
  int64_t waits_since;     /* ms; that something unacknowledged has been given, or a shut window asked after */
  hf_tls_problem distrust; /* what was found of the server; no reason: nothing wrong */
  hf_quic_end end;
  ngtcp2_duration keep_alive; /* until the peer is asked for a sign of life, where nothing waits */
  unsigned refusals;          /* told by the system since something was received */
  bool ended;
  bool starved;      /* there was no memory for what has come */
  bool blocked;      /* by the peer's windows alone: bytes wait, and none is on its way */
  bool heard;        /* something has come from the server */
  bool shaken;       /* the handshake is complete */
  bool resumed;      /* and the server has taken up the session of before */
  bool allows_early; /* the ticket that has come does */
  bool confirmed;    /* and the server knows that */
  bool stranded;     /* the system has no way any more from where we are */
  bool arrived;      /* the peer answers on the latest socket, and the other may go */
  bool peer_ended;   /* no more bytes come */
  bool closed;       /* the stream, in both directions */
  bool reset;        /* by the peer */
  bool finishes;     /* the stream ends after what is in `out` */
  bool finished;     /* and that has been given */
  bool shut;         /* nothing more may be given */
  bool news;         /* to be told */
};

/* `early`: what is in the fifo goes before the handshake is complete, if a ticket allows that, and then once more if
 * the server does not take it; only for one of a stream's at a time. NULL: memory is short. One that cannot begin has
 * ended, which is told later. */
hf_quic_connection *hf_quic_connection_begin(const hf_quic_plan *plan, const hf_quic_address *to, socklen_t length,
                                             bool early, void (*changed)(hf_quic_connection *connection, void *owner),
                                             void *owner);
/* The peer is told, unless it has ended. */
void hf_quic_connection_free(hf_quic_connection *connection);

/* Whether the peer has been asked something, be it only whether it lives, and has not answered yet. */
bool hf_quic_connection_asks(const hf_quic_connection *connection);

/* From then on it has the plan's fifos, from their beginning unless it went early; once the handshake is complete. */
void hf_quic_connection_adopt(hf_quic_connection *connection);

bool hf_quic_connection_is_open(const hf_quic_connection *connection); /* the stream is */

void hf_quic_connection_write_soon(hf_quic_connection *connection);           /* at the end of the turn */
void hf_quic_connection_write(hf_quic_connection *connection);                /* what can go out goes, now */
void hf_quic_connection_taken(hf_quic_connection *connection, size_t length); /* so much was read of `in` */
void hf_quic_connection_finish(hf_quic_connection *connection); /* what is in `out` goes, and then the stream's end */

/* The network may be another one: goes on from a new socket, where that is possible (RFC 9000 section 9). */
void hf_quic_connection_move(hf_quic_connection *connection);

/* What is known of the way; with some of it only once it is open. */
void hf_quic_connection_path(const hf_quic_connection *connection, hf_stream_path *path);

/* ---- for its rooms ---- */

ngtcp2_path hf_quic_path_of(hf_quic_socket *socket);
/* The open one at this address of ours; the latest, if there is none. */
hf_quic_socket *hf_quic_socket_at(hf_quic_connection *connection, const ngtcp2_addr *local);
void hf_quic_look_after_sockets(hf_quic_connection *connection); /* outside of what ngtcp2 calls */

ngtcp2_tstamp hf_quic_now(void);
extern hf_quic_connection *hf_quic_writing; /* whose datagram ngtcp2 makes in this moment; NULL: no one's */
extern const ngtcp2_callbacks hf_quic_callbacks;
bool hf_quic_open_stream(hf_quic_connection *connection); /* false: it fails */

/* resume.c. A ticket that is worth offering, its bytes in the connection; false: there is none. */
bool hf_quic_choose_ticket(hf_quic_connection *connection, hf_quic_ticket *ticket);
void hf_quic_drop_ticket(hf_quic_connection *connection, hf_quic_ticket *ticket); /* it is good for nothing */
bool hf_quic_may_go_early(const hf_quic_connection *connection, const hf_quic_ticket *ticket);
bool hf_quic_go_early(hf_quic_connection *connection, const hf_quic_ticket *ticket); /* false: it fails */
int hf_quic_look_back(hf_quic_connection *connection); /* the handshake is complete; NGTCP2_ERR_... */
/* NewSessionTicket: what GnuTLS does not tell of it, and then the session that has it. */
void hf_quic_read_ticket(hf_quic_connection *connection, const gnutls_datum_t *message);
void hf_quic_keep_ticket(hf_quic_connection *connection);
void hf_quic_forget_tickets(const hf_quic_connection *connection); /* of this server */

/* It ends, because of what ngtcp2 (NGTCP2_ERR_...) or the system (errno) has answered; the peer is told. */
void hf_quic_fail(hf_quic_connection *connection, int error);
void hf_quic_fail_system(hf_quic_connection *connection, int error);
void hf_quic_end_with(hf_quic_connection *connection, hf_source source, int code, const char *text);
void hf_quic_say_goodbye(hf_quic_connection *connection, const ngtcp2_connection_close_error *why);

void hf_quic_ready(hf_watch *watch, unsigned events);
void hf_quic_fire(hf_timer *timer, int64_t now);
void hf_quic_run(hf_task *task);

#endif
