/* native_link.h: how our own link looks from within; for csrc/link/native_* only.
 *
 * A session of MQTT over a stream, on the keeper's loop. Everything here is
 * called on the thread that turns that loop, and nothing waits. The rooms: out
 * (bytes), ids, inbox (what came and is owed an acknowledgement), read (bytes to
 * packets to what they mean), publish (what we send, its packet ids and states),
 * request (SUBSCRIBE and its like), auth (AUTH), alive (keep alive), pace (when it
 * is read), end (how it ends).
 */
#ifndef HF_LINK_NATIVE_LINK_H
#define HF_LINK_NATIVE_LINK_H

#include "core/line.h"
#include "core/random.h"
#include "link/link.h"
#include "link/native_ids.h"
#include "link/native_inbox.h"
#include "link/native_out.h"
#include "mqtt/aliases.h"
#include "mqtt/packet.h"
#include "mqtt/write.h"
#include "stream/stream.h"
#include "sys/loop.h"

typedef enum hf_native_state {
  HF_NATIVE_IDLE,     /* no attempt, no connection */
  HF_NATIVE_OPENING,  /* the stream opens */
  HF_NATIVE_GREETING, /* CONNECT is on its way, or out */
  HF_NATIVE_UP,
  HF_NATIVE_LEAVING, /* DISCONNECT is on its way, or out, and the stream still ours */
  HF_NATIVE_LEFT     /* the stream ends on its own; CLOSED is not told yet */
} hf_native_state;

typedef struct hf_native_alive {
  int64_t received_at; /* the last byte */
  int64_t sent_at;     /* the last packet given to the stream */
  int64_t asked_at;    /* PINGREQ written; HF_NATIVE_NEVER: none is out */
  int64_t left_at;     /* and its last byte confirmed by the peer's system; HF_NATIVE_NEVER: not yet */
  uint64_t asked_end;  /* offset behind that PINGREQ */
  uint64_t asked_by;   /* bytes of the lowest layer that end with it, or behind it; UINT64_MAX: not known yet */
  int64_t owed_at;     /* the first PINGREQ since the last PINGRESP; HF_NATIVE_NEVER: none */
  int64_t look_at;     /* while one is out */
  uint64_t confirmed;  /* bytes, at the last look */
  uint64_t came;       /* bytes, when it was asked */
  uint64_t moved;      /* bytes, both ways, at `owed_at` */
  uint32_t ask_after;  /* ms; 0: never, keep alive is off */
  uint32_t dead_after; /* ms; 0 until it is connected: half as much again */
  uint32_t next_ask;   /* ms of silence until the next question: ask_after, less a random tenth */
} hf_native_alive;

typedef struct hf_native_auth hf_native_auth;

struct hf_link {
  hf_link_sink sink;
  hf_stream *stream;       /* NULL: idle */
  hf_stream *leaving;      /* on its own, and still to tell its end; NULL: none */
  hf_store *store;         /* NULL: none */
  hf_link_down *farewell;  /* made when the attempt begins, so that its end can be told without memory */
  hf_inspector *inspector; /* made with the first attempt that is inspected; NULL: this one is not */
  hf_ids ids;
  hf_line flight;  /* QoS 1 and 2, in the order of sending */
  hf_line written; /* QoS 0, until the stream has them */
  hf_out out;
  hf_inbox inbox;
  hf_aliases_in aliases_in;
  hf_aliases_out *aliases_out;                        /* made with the first PUBLISH; NULL: none, or no memory */
  uint8_t *partial;                                   /* a packet that is not whole yet; NULL: none */
  size_t partial_length, partial_room, partial_whole; /* the last: 0 while nobody knows */
  uint8_t *connect;                                   /* CONNECT, until the stream has opened; wiped after */
  size_t connect_length;
  hf_timer timer;
  hf_task flush;
  hf_task again; /* there may be more to read than a poll shows */
  hf_native_alive alive;
  hf_native_auth *auth; /* NULL: CONNECT has no method of enhanced authentication */
  size_t allowed;       /* messages that may be told */
  size_t hold_bytes;    /* of those that may wait */
  uint64_t random;
  uint64_t forgotten, dropped;
  uint64_t unknown_from; /* offset */
  int64_t stuck_at;      /* while the broker is not read: it is left; HF_NATIVE_NEVER: it is read */
  int64_t leave_until;
  int64_t renew_at;             /* at the latest a new connection is asked for; HF_NATIVE_NEVER: none is wanted */
  int64_t renew_by;             /* likewise, whatever moves */
  int64_t release_at;           /* PUBREL is repeated; HF_NATIVE_NEVER: it has been, or need not be */
  uint32_t releases_unanswered; /* connections in a row that ended after that, and none was answered */
  size_t in_flight;             /* publishes of QoS 1 and 2 */
  uint32_t generation;
  uint32_t connection;          /* counts those that were up */
  uint32_t renew_below;         /* messages in line, until which what is forgotten is not fetched anew */
  uint32_t session_expiry;      /* asked for, then in force; 0: the session ends with the connection */
  uint32_t maximum_packet_size; /* that we accept */
  uint32_t unknown;             /* answers to ids that nobody knows, written since the stream had taken all before
                                   `unknown_from` */
  uint32_t pings;               /* PINGREQs without an answer */
  uint32_t settling;            /* PINGRESPs until the broker has read all acknowledgements; 0: it has, or need not */
  uint32_t probe;               /* the ticket to answer with the next PINGRESP */
  char client_id[24];           /* for the trace; cut if longer */
  uint16_t keep_alive;
  uint16_t aliases_most; /* that the broker takes */
  uint8_t protocol;
  uint8_t state; /* hf_native_state */
  bool probing;
  bool releases_again; /* PUBREL has been repeated on this connection, and no PUBCOMP has come */
  bool renewing;       /* a new connection has been asked for */
  bool acknowledges;   /* a message of QoS 1 has been acknowledged on this connection */
  bool forgetting;     /* messages of this connection go unanswered from now on */
  bool blames;         /* a publish of ours is what the broker broke the protocol over */
  bool clean;          /* asked to begin without a session */
  bool starved;        /* something could not be written for want of memory: the connection ends in this turn */
};

#define HF_NATIVE_NEVER INT64_MAX

enum { HF_NATIVE_WINDOW = 1000 }; /* publishes of QoS 1 and 2 in flight */

/* What is taken of packet ids, and by what: a pointer to a publish, whose lowest bits are 0, or a number times WORDS.
 */
enum hf_native_word {
  HF_NATIVE_FLIGHT,  /* an hf_publish of ours */
  HF_NATIVE_CARRIED, /* the id of one that the keeper has, and the session knows */
  HF_NATIVE_REQUEST, /* see native_request.c */
  HF_NATIVE_BURNT,   /* the session may know it; not to be used while it lasts */
  HF_NATIVE_WORDS
};

extern hf_loop *hf_native_loop;

/* native_link.c */
/* What streams are opened by, for specs; hf_stream_open otherwise. */
void hf_native_use_streams(hf_stream_open_function *function);
/* Has what was written go out at the end of the turn. */
void hf_native_flush_soon(hf_link *link);
void hf_native_schedule(hf_link *link);
void hf_native_tell(hf_link *link, hf_mail *mail, enum hf_link_mail kind);
void hf_native_forget_connect(hf_link *link); /* a password may be in it */

/* native_end.c */
hf_stream_rival hf_native_rival(const hf_link *link); /* what the road of this attempt was tried beside */
typedef struct hf_native_ending {
  enum hf_link_mail kind;
  hf_source source;
  int code;
  hf_phase phase;
  const char *text; /* NULL: nothing beyond the reason's */
  hf_bytes server_reference;
  uint32_t retry_after;
  bool about_publish;
} hf_native_ending;

/* Lets go of the stream, tells the end and gives back what it ended. */
void hf_native_end(hf_link *link, hf_native_ending ending);

/* The broker broke the protocol: it is told so, in MQTT 5, and left. `code` of MQTT 5 section 4.13. */
void hf_native_violated(hf_link *link, uint8_t code, const char *text);
/* The first half of it: DISCONNECT, and the stream is let go to bring it over. */
void hf_native_say_why(hf_link *link, uint8_t code, const char *text);
void hf_native_stream_ended(hf_link *link);
void hf_native_let_go(hf_link *link); /* of everything that belongs to the one connection */
char *hf_native_text(hf_bytes text);  /* one line; owned by the caller; NULL: none, or no memory */

/* native_read.c */
void hf_native_read(hf_link *link);
void hf_native_drop_partial(hf_link *link);

/* native_publish.c */
bool hf_native_publish(hf_link *link, hf_publish *publish);
void hf_native_resume(hf_link *link, hf_store *store, const char *client_id, hf_publish *publishes);
void hf_native_resumed(hf_link *link);       /* the session goes on: PUBREL again of what was released */
void hf_native_release_again(hf_link *link); /* if it is time to */
void hf_native_written(hf_link *link);       /* the stream has taken more */
void hf_native_answered(hf_link *link, const hf_packet *packet); /* PUBACK, PUBREC, PUBCOMP */
void hf_native_answer_unknown(hf_link *link, hf_packet_type type, uint16_t packet_id);
/* What is lent comes back: all of it, or what the session does not keep with the link. */
void hf_native_give_back(hf_link *link, bool everything);
void hf_native_session_gone(hf_link *link);
void hf_native_outcome(hf_link *link, hf_publish *publish, int result);

/* native_request.c */
bool hf_native_subscribe(hf_link *link, const hf_subscription_request *request);
bool hf_native_unsubscribe(hf_link *link, const hf_subscription_request *request);
bool hf_native_probe(hf_link *link, uint32_t ticket);
void hf_native_request_answered(hf_link *link, const hf_packet *packet); /* SUBACK, UNSUBACK */
void hf_native_request_ended(hf_link *link);                             /* what was asked is not answered any more */
void hf_native_pinged(hf_link *link);                                    /* PINGRESP */

/* native_receive.c: messages that come */
void hf_native_message(hf_link *link, const hf_packet *packet, size_t behind); /* bytes that came behind it */
void hf_native_messages_over(void);                                            /* for now: of this read */
void hf_native_released(hf_link *link, uint16_t packet_id);                    /* PUBREL */
void hf_native_allow(hf_link *link, size_t messages);
void hf_native_acknowledge(hf_link *link, uint8_t qos, uint64_t receipt);
void hf_native_restore(hf_link *link);
/* What was let go unanswered is fetched by a new connection, if it is time to. `answered`: something of ours has been.
 */
void hf_native_renew(hf_link *link, bool answered);

/* native_write.c: packets into `out`. False: memory is short, and the connection ends. */
bool hf_native_write_ack(hf_link *link, hf_packet_type type, uint16_t packet_id, uint8_t code);
bool hf_native_write_pingreq(hf_link *link);
void hf_native_write_disconnect(hf_link *link, uint8_t code, int64_t session_expiry, const char *text);
bool hf_native_write_connect(hf_link *link, const hf_link_attempt *attempt);

/* native_auth.c: enhanced authentication (MQTT 5 section 4.12) */
bool hf_native_auth_begin(hf_link *link, const hf_link_attempt *attempt); /* false: memory is short */
bool hf_native_auth_bind(hf_link *link); /* the stream has opened; false: it has nothing to bind to */
bool hf_native_auth_accepted(hf_link *link, const hf_packet *packet); /* CONNACK; false: the connection has ended */
void hf_native_auth_packet(hf_link *link, const hf_packet *packet);   /* AUTH */
bool hf_native_authenticate(hf_link *link, hf_bytes data, hf_bytes expected, bool anew);
void hf_native_auth_over(hf_link *link); /* the connection has ended */

/* native_inspect.c */
bool hf_native_inspect(hf_link *link, bool inspect); /* what of an attempt; false: memory is short */
void hf_native_inspect_connack(hf_link *link, const hf_packet *packet);

/* native_trace.c */
void hf_native_trace(hf_trace_level level, hf_trace_line_function *line);
void hf_native_trace_sent(const hf_link *link, hf_packet_type type, uint16_t packet_id, unsigned number);
void hf_native_trace_read(const hf_link *link, const hf_packet *packet);

/* native_alive.c */
void hf_native_alive_begin(hf_link *link, uint32_t ask_after, uint32_t dead_after);
void hf_native_alive_connected(hf_link *link);
void hf_native_alive_sent(hf_link *link);
void hf_native_alive_answered(hf_link *link); /* PINGRESP */
int64_t hf_native_alive_due(const hf_link *link);
void hf_native_alive_look(hf_link *link);
void hf_native_lost(hf_link *link, const char *text); /* whatever holds it up is not in sight */

/* native_pace.c: a broker that leaves its answers unread is not read either. */
void hf_native_pace(hf_link *link, bool moved); /* the stream has been given what there is, and has taken some */
void hf_native_pace_look(hf_link *link);

#endif
