/* link.h: what a transport must do for the keeper, and nothing about which one it is.
 *
 * A link is one client's way to a broker. The keeper calls its operations from
 * the keeper thread only, one attempt at a time, and never holds a lock while it
 * does. A link answers by handing mails to its sink, from any thread, never
 * blocking there. Every mail carries the
 * generation that `open` was given; the keeper drops those of older ones. A link
 * that lives on the keeper's own loop answers on the keeper's thread, also from
 * within an operation; its sink must not call it back.
 *
 * The life of a generation:
 *
 *   open -> FAILED                                the attempt is over
 *   open -> CONNECTED -> MESSAGE | DELIVERED | SUBSCRIBED | UNSUBSCRIBED ... -> DOWN    lost
 *                        close                                               -> CLOSED  left
 *   abandon, at any time: nothing more of that generation is told, but for the DELIVERED of what it still held, and a
 *                         MESSAGE that was being acknowledged in that moment
 *
 * Exactly one of FAILED, DOWN, CLOSED ends a generation that was not abandoned. SUBSCRIBED and UNSUBSCRIBED that are
 * still owed when it ends are never told.
 *
 * Publishes: `publish` lends the link an hf_publish, its mail and its place in a line, until its DELIVERED mail (the
 * publish itself) comes back. Every
 * one comes back exactly once: with its outcome while connected; with HF_LINK_RESULT_LOST after DOWN, CLOSED or
 * abandon if the protocol has nothing to remember of it (QoS 0, QoS 1, QoS 2 without a session); and in the same way at
 * the latest from `destroy`'s drain (see below). A QoS 2 publish whose packet id the session still knows stays with the
 * link over DOWN, abandon and any change of handle inside; its outcome comes after a later CONNECTED with the session
 * present, or as LOST right after one without (before that CONNECTED is told). One that the broker has answered with
 * PUBREC comes back as OK wherever it would be LOST otherwise: it is the broker's, and sent again it would be a second
 * message.
 *
 * A broker whose Receive Maximum has become lower than what a link has carried is not sent all of that at once: the
 * link resumes a part, takes no new publish of QoS 1 or 2 meanwhile, and tells RENEW when the connection can do no more
 * for the rest; the keeper then closes it and opens the next one. It is no fault, and told while connected only.
 *
 * QoS 2 messages inbound: each is told once, over any number of connections of one session.
 */
#ifndef HF_LINK_LINK_H
#define HF_LINK_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mail.h"
#include "core/message.h"
#include "core/phase.h"
#include "core/properties.h"
#include "core/proxy.h"
#include "core/reason.h"
#include "core/subscriptions.h"
#include "core/uri.h"
#include "store/store.h"
#include "stream/stream.h"
#include "stream/tls.h"
#include "sys/loop.h"

typedef struct hf_link hf_link;

enum hf_link_mail {                                        /* mail.kind; the struct behind it */
                    HF_LINK_CONNECTED = HF_MAIL_LINK_BASE, /* hf_link_connected */
                    HF_LINK_FAILED,                        /* hf_link_down */
                    HF_LINK_DOWN,                          /* hf_link_down */
                    HF_LINK_CLOSED,       /* hf_link_down: the DISCONNECT that `close` asked for is out, or gave up */
                    HF_LINK_MESSAGE,      /* hf_message */
                    HF_LINK_DELIVERED,    /* hf_publish, with `result` */
                    HF_LINK_SUBSCRIBED,   /* hf_link_answer */
                    HF_LINK_UNSUBSCRIBED, /* hf_link_answer */
                    HF_LINK_AUTH,         /* hf_link_auth */
                    HF_LINK_RENEW,        /* hf_mail: a new connection is wanted, for no fault */
                    HF_LINK_STEP,         /* hf_step, of an attempt that is inspected */
};

enum {
  HF_LINK_RESULT_OK = 0,    /* acknowledged as the QoS demands; QoS 0: handed to the socket */
  HF_LINK_RESULT_LOST = -1, /* the connection went before the outcome was known: send it again */
};

typedef struct hf_link_connected { /* what CONNACK said; the receiver frees it with hf_link_mail_free */
  hf_mail mail;
  bool session_present;
  bool retain_available;
  bool wildcard_available;
  bool shared_available;
  bool identifiers_available;
  uint8_t maximum_qos;
  uint16_t receive_maximum;     /* of the broker; 65,535 when it did not say; 0, a protocol error, is passed on */
  uint16_t keep_alive;          /* in force: the server's if it gave one, else ours */
  uint32_t session_expiry;      /* in force, seconds */
  uint32_t maximum_packet_size; /* 0: no limit */
  char *assigned_client_id;     /* NULL unless the broker chose one */
  char *response_information;   /* below which it wants topics of answers (MQTT 5 section 3.2.2.3.15); NULL: none */
  hf_properties *properties;    /* user properties, reason string ...; NULL: none */
  hf_stream_rival rival;        /* of the road that it came by */
} hf_link_connected;

typedef struct hf_link_down { /* FAILED, DOWN and CLOSED */
  hf_mail mail;
  bool about_publish; /* the evidence is that one of the publishes that were in flight is the cause */
  const hf_reason *reason;
  int code;
  hf_phase phase;         /* how far the attempt got */
  char *text;             /* of the library or the broker, one line; NULL: nothing beyond reason->text */
  char *server_reference; /* MQTT 5 section 4.11, or the address that an HTTP redirect names; NULL: none */
  uint32_t retry_after;   /* seconds that the server asks to be left alone, at least */
  hf_stream_rival rival;  /* FAILED: of the road that this is about */
} hf_link_down;

typedef struct hf_link_answer {
  hf_mail mail;
  uint32_t ticket; /* as given to subscribe and unsubscribe */
  int code;        /* 0-2 granted, all else refused (UNSUBACK: 0, 0x11 or >= 0x80) */
  char *text;      /* reason string; NULL: none */
} hf_link_answer;

typedef struct hf_link_auth { /* enhanced authentication (MQTT 5 section 4.12): the broker says this */
  hf_mail mail;
  bool over;     /* it has been, while connected, and the broker is content; else `authenticate` answers it */
  bool while_up; /* it is not that of an attempt */
  unsigned char binding[HF_STREAM_BINDING]; /* of an attempt that binds */
  size_t length;
  char data[]; /* and a NUL */
} hf_link_auth;

typedef struct hf_link_will {
  hf_bytes topic;
  hf_bytes payload;
  const hf_properties *properties;
  uint8_t qos;
  bool retain;
} hf_link_will;

typedef hf_tls_options hf_link_tls;

typedef struct hf_link_attempt { /* all borrowed until `open` returns */
  const char *host;              /* name or address, IPv6 without brackets; or what hf_road says */
  const char *place;   /* what has these addresses and this port where the host is a service; NULL: the host */
  hf_road road;        /* a link that is not `exact` knows TCP alone */
  const char *path;    /* of a WebSocket; NULL: none */
  const char *headers; /* of its request, lines; NULL: none */
  const char *const
      *addresses;       /* of the host, in the resolver's order; a link that looks names up itself ignores them */
  size_t address_count; /* 0: nobody has looked */
  uint16_t port;
  const hf_proxy *proxy;              /* on the way there; NULL: none. Only a link that is `exact` knows them */
  const char *const *proxy_addresses; /* of its host, likewise */
  size_t proxy_address_count;
  const hf_link_tls *proxy_tls; /* to the proxy itself, likewise as those below */
  hf_tls_context *proxy_context;
  bool ipv6;               /* the host is an IPv6 literal */
  const hf_link_tls *tls;  /* NULL: plain */
  hf_stream_beside beside; /* of HF_ROAD_QUIC: see stream/race.h */
  hf_tls_context *context; /* made of it; NULL: a link that wants one makes it, which may take its time */
  const char *client_id;   /* "" asks the broker for one (protocol 5) */
  hf_bytes username;
  hf_bytes password;
  const char *auth_method; /* of enhanced authentication; NULL: none. Only a link that is `exact` knows it */
  hf_bytes auth_data;      /* its first word; data NULL: none */
  bool auth_mutual;        /* the broker must have said what `authenticate` expects before it counts as connected;
                              behind a comma it may say more (RFC 5802 section 7, server-final-message) */
  bool auth_binds;         /* an attempt whose stream has no binding (stream.h) fails */
  const hf_link_will *will;
  const hf_properties *properties; /* user properties of CONNECT */
  uint32_t session_expiry;         /* seconds; protocol 4: 0 means a clean session, anything else keeps it */
  uint32_t timeout;                /* ms; the link may give up by itself after it, the keeper surely does */
  uint32_t left;                   /* ms of it, since there were other things to do before; 0: all */
  uint32_t maximum_packet_size;    /* that we accept; 0: no limit */
  uint16_t keep_alive;             /* seconds, as CONNECT tells the broker */
  uint32_t ask_after;              /* ms of silence after which the broker is asked for a sign of life; 0: keep_alive */
  uint32_t dead_after;             /* ms of silence after which it is dead; 0: 1.5 x keep_alive */
  size_t hold_bytes;               /* of messages that are kept until they may be told or acknowledged */
  uint16_t receive_maximum;        /* that we accept */
  uint8_t protocol;                /* 4 or 5 */
  bool clean_start;
  bool zero_rtt; /* CONNECT may go before the handshake is complete, where the road can do that */
  bool inspect;  /* each step of it is told, where the link can */
} hf_link_attempt;

typedef struct hf_link_figures { /* of one that holds messages back */
  uint64_t progress;             /* grows with each byte that comes, or that the peer's system confirms */
  uint64_t forgotten;            /* messages let go unanswered, which the broker will send again */
  uint64_t dropped; /* acknowledged and thrown away: past what may be kept, without a session to fetch them again */
  size_t held_messages, held_bytes; /* not told yet */
  size_t open;                      /* told, and not acknowledged yet */
} hf_link_figures;

typedef struct hf_link_sink {
  void (*deliver)(void *context, hf_mail *mail); /* any thread; takes the mail */
  void *context;
  void *owner; /* what every mail's `owner` is set to */
} hf_link_sink;

/* How much a transport library says of itself; each level includes those before it. */
typedef enum hf_trace_level {
  HF_TRACE_OFF,
  HF_TRACE_ERROR,
  HF_TRACE_PROTOCOL, /* a line a packet */
  HF_TRACE_MINIMUM,
  HF_TRACE_MEDIUM,
  HF_TRACE_MAXIMUM /* a line a function call */
} hf_trace_level;

typedef void hf_trace_line_function(hf_trace_level level, const char *line);

typedef enum hf_link_farewell {
  HF_LINK_WITHOUT_A_WORD = -1, /* no DISCONNECT: a will is published, the session stays */
  HF_LINK_GOODBYE = 0x00,      /* the will is thrown away */
  HF_LINK_WITH_WILL = 0x04     /* it is published; protocol 4 has no such code, and ends without a word */
} hf_link_farewell;

typedef struct hf_link_operations {
  const char *name;

  /* Loads what it is made of (sys/library.h), once. False: `problem`, of HF_LIBRARY_PROBLEM bytes, says why. Waits for
   * the disk; any thread, before `begin`. NULL: it needs nothing. */
  bool (*load)(char *problem);

  /* Process-wide; on the keeper thread before the first `create`, again after a false, and once after the last
   * `destroy` of a process that ends. The loop is the keeper's; a link with threads of its own has no use for it. */
  bool (*begin)(hf_loop *loop);
  void (*end)(void);

  hf_link *(*create)(hf_link_sink sink); /* NULL when memory is short */

  /* At most once, before the first `open`: a process before this one has left a session of `client_id` behind. From now
   * on the link writes down in `store` what exactly once needs, and lets it go where the session ends; what is there
   * already it reads. `publishes`, linked by their mails, are lent to it with packet ids and carried as above. */
  void (*resume)(hf_link *link, hf_store *store, const char *client_id, hf_publish *publishes);

  /* Whether an attempt may begin now; false: ask again in some ms. NULL: always. True obliges to `open` or `abandon`.
   */
  bool (*clear)(hf_link *link);

  /* Begins an attempt. Everything that goes wrong, at once or later, is a FAILED mail. False: there is no memory for
   * that mail, and no attempt. */
  bool (*open)(hf_link *link, uint32_t generation, const hf_link_attempt *attempt);

  /* Ends the attempt or the connection at once. Its session stays. Where the attempt had a will the broker is not sent
   * a DISCONNECT, so that it publishes it; where it had none that is the link's affair. */
  void (*abandon)(hf_link *link);

  /* Only while connected; false: not taken, try later (after the next DELIVERED). */
  bool (*publish)(hf_link *link, hf_publish *publish);
  bool (*subscribe)(hf_link *link, const hf_subscription_request *request);
  bool (*unsubscribe)(hf_link *link, const hf_subscription_request *request);

  /* Asks the broker for any answer at all: an UNSUBSCRIBED mail with this ticket. False: likewise. */
  bool (*probe)(hf_link *link, uint32_t ticket);

  /* The answer to an hf_link_auth that is not over; with `anew`, while connected, the first word of a new exchange.
   * `expected`: what the broker's last word must be, or it has not proven who it is; data NULL: anything. An
   * answer that nobody waits for any more is let go. False: memory is short, or an exchange cannot begin now. NULL:
   * there is no such thing. */
  bool (*authenticate)(hf_link *link, hf_bytes data, hf_bytes expected, bool anew);

  /* DISCONNECT with this code, session expiry < 0: as it was; then CLOSED, at the latest after `timeout` ms. Nothing
   * when the generation has ended already. */
  void (*close)(hf_link *link, hf_link_farewell farewell, int64_t session_expiry, uint32_t timeout);

  /* Whether an exchange of QoS 2 with the session is unfinished, besides those of publishes that are lent, in either
   * direction; while no attempt is under way. NULL: none ever is. */
  bool (*mid_exchange)(hf_link *link);

  /* How far the attempt that is under way has got; HF_PHASE_NONE when there is none. NULL: nobody can tell. */
  hf_phase (*phase)(const hf_link *link);

  /* So many more messages of QoS 1 and 2 may be told from now on. All that follow are NULL where a link holds nothing
   * back. */
  void (*allow)(hf_link *link, size_t messages);

  /* Those of `qos` are done up to this receipt. */
  void (*acknowledge)(hf_link *link, uint8_t qos, uint64_t receipt);

  void (*figures)(const hf_link *link, hf_link_figures *figures);

  /* Of the connection that is up; false: there is none. NULL: nobody can tell. */
  bool (*path)(const hf_link *link, hf_stream_path *path);

  /* Whether the reasons that it gives are as good as they get, and it takes addresses and a context of TLS that were
   * found before; else the keeper looks at a failure again by itself. */
  bool exact;

  /* How many publishes it takes at once; 1 or more. The keeper holds min(this, Receive Maximum) in flight. */
  uint16_t window;

  /* Process-wide; also before `begin`. From now on the library's own trace goes to `line`, one line at a time and
   * without payloads or secrets, on any thread, which `line` must not block. NULL: there is none. */
  void (*trace)(hf_trace_level level, hf_trace_line_function *line);

  /* Frees everything. Delivers what it still holds as LOST before it returns, on the calling thread; nothing after. */
  void (*destroy)(hf_link *link);
} hf_link_operations;

extern const hf_link_operations hf_link_paho;
extern const hf_link_operations hf_link_native;

/* Frees a mail of one of the structs above, message and publish included, and of one it does not know the block. Any
 * thread. */
void hf_link_mail_free(hf_mail *mail);

#endif
