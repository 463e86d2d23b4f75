/* paho_link.h: how the Paho link looks from within; for csrc/link/paho_*.c only.
 *
 * One generation is one hf_paho_attempt is one Paho handle: nothing is ever
 * connected twice, so that no answer of an old connection can be taken for one
 * of the new (and Paho's own re-sending, which also re-sends what other clients
 * of the process have in flight, has nothing to work on but carried QoS 2). The
 * keeper thread makes and destroys attempts; Paho's two threads answer through
 * them and hold Paho's global lock while they do. `hf_link.lock` guards what both
 * sides touch. It is a leaf under Paho's lock: no Paho function but a free and no
 * function of the waker but those that count is called while it is held.
 */
#ifndef HF_LINK_PAHO_LINK_H
#define HF_LINK_PAHO_LINK_H

#include <pthread.h>

#include "link/link.h"
#include "link/paho_library.h"

enum {
  HF_PAHO_WINDOW = 100,
  HF_PAHO_FEW = 8,         /* of which an attempt has so many from its beginning, and the others once they are needed */
  HF_PAHO_SOME = 4 * 1024, /* bytes in flight below which no partial write is to be expected */
  HF_PAHO_LARGE = 128 * 1024,      /* from which it may well be */
  HF_PAHO_MOST_NUMBER = 0x7FFFFFFF /* Paho sends greater four-byte properties mutilated */
};

typedef struct hf_paho_attempt hf_paho_attempt;

/* ---- paho_store.c: what of QoS 2 must outlive a handle, as Paho's persistence. Locks itself; a leaf. ---- */

typedef struct hf_paho_record hf_paho_record;

typedef struct hf_paho_store {
  pthread_mutex_t lock;
  hf_paho_record *records[64];
  hf_paho_record *over; /* whose PUBREL was sent, and which Paho has removed: for PUBCOMP, or as its session is gone */
  uint16_t refused;     /* packet id of the last PUBLISH removed, if its PUBREL was never sent; else 0 */
  hf_store *disk;       /* where it is written down as well, before the packet goes out; NULL: nowhere */
} hf_paho_store;

void hf_paho_store_init(hf_paho_store *store);
void hf_paho_store_free(hf_paho_store *store);
void hf_paho_store_clear(hf_paho_store *store);
bool hf_paho_store_has_any(hf_paho_store *store);
bool hf_paho_store_has_released(hf_paho_store *store, uint16_t packet_id); /* PUBREC has come, over or not */
void hf_paho_store_end(hf_paho_store *store, uint16_t packet_id);          /* its outcome has been told */
bool hf_paho_store_has_sent(hf_paho_store *store, uint16_t packet_id);
void hf_paho_store_withhold(hf_paho_store *store, uint16_t packet_id, bool withheld); /* Paho does not see it */
bool hf_paho_store_withholds(hf_paho_store *store, uint16_t packet_id);
bool hf_paho_store_take_refused(hf_paho_store *store, uint16_t packet_id);
MQTTClient_persistence hf_paho_store_persistence(hf_paho_attempt *attempt);
/* What an earlier process has left in `disk`, all of it before the first attempt. */
bool hf_paho_store_restore_sent(hf_paho_store *store, const hf_publish *publish, uint8_t protocol);
void hf_paho_store_restore_received(hf_paho_store *store, uint8_t protocol);

/* ---- paho_waker.c: gets Paho's receive thread out of its poll; keeps deadlines. See there. ---- */

typedef struct hf_paho_deadline {
  struct hf_paho_deadline *next;
  int64_t at;              /* hf_clock_ms */
  void (*expired)(void *); /* on the waker's thread, which holds a lock of its own: must not call Paho */
  void *context;
} hf_paho_deadline;

/* On the keeper's thread. False: there was no descriptor or thread for it, and it may be asked for again. */
bool hf_paho_waker_start(void);
/* Around every call of the keeper's and the waker's threads that queues a command in Paho, or destroys a handle:
 * MQTTAsync_destroy walks the queue of commands without the lock under which they are queued. Paho's own threads are
 * kept out by Paho's global lock and never take this one. */
void hf_paho_calls_begin(void);
void hf_paho_calls_end(void);
/* These count, and may be called with a link's lock held. */
void hf_paho_waker_hold(void);    /* something waits for the receive thread */
void hf_paho_waker_release(void); /* it waits no longer */
void hf_paho_waker_write(void); /* the same of what is being written, behind which more may wait for the send thread */
void hf_paho_waker_written(void);
void hf_paho_waker_partial(bool may_be); /* once for each connection that may have a partial write, and once when not */
void hf_paho_waker_hurry(void); /* somebody's pings come so often that Paho's one look a second is not enough */
void hf_paho_waker_relax(void);

void hf_paho_waker_retune(void); /* after each MQTTAsync_connect: it has changed the interval of everybody's pings */
/* Between two looks at its sockets Paho's receive thread may hold on to the number of one that has been closed. A new
 * socket of that number would take the blame for the old one's end, so whoever makes one waits for the next look. */
void hf_paho_waker_mark(void);   /* a socket of Paho's has been closed */
void hf_paho_waker_settle(void); /* waits, a millisecond as a rule, if that was since the last look */
/* Before each look Paho's receive thread walks through the list of handles without a lock if a packet has not been
 * written to the end. A handle that goes meanwhile can take the process with it, and there is no lock to be had. So
 * while there may be such a packet one goes in the lee of a look, which is not followed by another for that time. */
void hf_paho_waker_lee(void);
void hf_paho_waker_lee_over(void);
void hf_paho_waker_expect(hf_paho_deadline *deadline);
void hf_paho_waker_forget(hf_paho_deadline *deadline); /* afterwards it neither runs nor will */

/* ---- paho_quiet.c: nobody has anything in flight while QoS 2 state is resumed. See there. ---- */

typedef enum hf_paho_quiet { HF_PAHO_LOUD, HF_PAHO_WANTS_QUIET, HF_PAHO_HAS_QUIET } hf_paho_quiet;

bool hf_paho_quiet_enter(void);                     /* a publish of QoS 1 or 2 may go out, and counts; false: not now */
void hf_paho_quiet_count(size_t more, size_t less); /* such publishes that are in flight in another way, or no longer */
bool hf_paho_quiet_clear(hf_link *link);            /* the link may begin an attempt; false: ask again soon */
void hf_paho_quiet_over(hf_link *link);             /* it needs no quiet, any more */

/* ---- the link and its attempts ---- */

struct hf_link {
  hf_link_sink sink;
  pthread_mutex_t lock;
  hf_paho_store store;
  hf_paho_attempt *attempt; /* the keeper thread alone */
  char *client_id;          /* whose session the store holds; under lock */
  hf_publish *carried;      /* QoS 2 whose packet id is in the store, linked by mail.next; under lock */
  int64_t quiet_since;      /* these two belong to paho_quiet.c */
  hf_paho_quiet quiet;
  uint16_t receive_maximum; /* that the broker gave last; under lock */
  uint8_t protocol;         /* of that session; the keeper thread alone */
};

typedef enum hf_paho_state { HF_PAHO_CONNECTING, HF_PAHO_UP, HF_PAHO_CLOSING, HF_PAHO_ENDED } hf_paho_state;

/* One publish in flight; the context of its callbacks. */
typedef struct hf_paho_slot {
  hf_paho_attempt *attempt;
  hf_publish *publish;       /* NULL: free, or its outcome has been told */
  struct hf_paho_slot *next; /* free, or waiting in Paho's queue */
  char *record;              /* what Paho wants back when its turn comes; NULL: not waiting there */
  size_t record_length;      /* of the whole, payload included */
  size_t payload_at;         /* where the payload belongs in it, or SIZE_MAX: it is in `record` itself */
  unsigned command;          /* Paho's number for it while it waits there */
  void **topic, **payload;   /* where Paho's command keeps its own; NULL: not known, or not any more */
  bool entering;             /* inside MQTTAsync_sendMessage: its packet id is not known yet */
  bool answered;             /* PUBACK, PUBCOMP or a PUBREC that refuses has come for it */
  bool orphan;               /* Paho has taken another answer for its own, and will not call back for the right one */
} hf_paho_slot;

/* One SUBSCRIBE or UNSUBSCRIBE without an answer; the context of its callbacks. */
typedef struct hf_paho_request {
  hf_paho_attempt *attempt;
  struct hf_paho_request *next, **previous;
  uint32_t ticket;
  uint16_t kind; /* of the mail that answers it */
} hf_paho_request;

/* A shared key, which OpenSSL asks for in mid-handshake. Wiped when it is freed. */
typedef struct hf_paho_psk {
  size_t length;
  unsigned char key[HF_PSK_KEY];
  char identity[HF_PSK_IDENTITY + 1];
} hf_paho_psk;

typedef struct hf_paho_others { /* sockets that are connected to the attempt's port, and were before it began */
  uint64_t *cookies;
  size_t count, room;
  bool incomplete; /* memory was short: nobody's is touched */
} hf_paho_others;

struct hf_paho_attempt {
  hf_link *link;
  MQTTAsync handle;
  MQTTClient_persistence persistence;
  hf_link_down *farewell; /* the mail that will end it; made first, so that the end can always be told */
  hf_paho_deadline closing;
  uint32_t generation;
  uint32_t session_expiry;
  uint16_t keep_alive;
  uint16_t port;
  hf_paho_others others; /* until CONNACK; Paho's threads' once it has been told to connect */
  uint8_t protocol;
  bool tls;
  bool keeps_session;
  bool will;
  bool stillborn;     /* Paho would not begin it: what its handle forgets is not forgotten */
  hf_paho_psk *psk;   /* NULL: certificates */
  char tls_text[200]; /* what OpenSSL said first; these two belong to Paho's threads */
  bool tls_began;     /* there was somebody to shake hands with */

  /* under link->lock */
  hf_paho_state state;
  bool waiting;  /* holds the waker until CONNACK */
  bool watching; /* Paho's log is asked for its socket */
  int own;       /* a copy of its descriptor from CONNACK on, where there is a will; -1: none */
  bool goodbye;  /* has been said, or is about to be */
  bool some;     /* more is in flight than HF_PAHO_SOME */
  bool large;    /* holds the waker while much is in flight */
  bool hurried;  /* hurries the waker */
  bool was_up;
  bool resuming;      /* has quiet until CONNACK */
  size_t resumed;     /* carried publishes that are in flight again */
  size_t withheld;    /* those that are left to the next connection */
  bool overrun;       /* more of them were sent again than the broker takes at once: it said so too late */
  size_t outstanding; /* bytes in flight */
  hf_paho_slot *free_slots;
  hf_paho_slot *queue, **queue_end; /* in Paho's queue, oldest first */
  hf_paho_slot *entering;           /* the one inside MQTTAsync_sendMessage; the keeper thread alone */
  hf_paho_request *requests;
  hf_paho_slot *more; /* HF_PAHO_WINDOW - HF_PAHO_FEW; NULL: not needed yet */
  hf_paho_slot few[HF_PAHO_FEW];
};

/* paho_attempt.c; the keeper thread */
bool hf_paho_open(hf_link *link, uint32_t generation, const hf_link_attempt *attempt);
void hf_paho_retire(hf_link *link); /* destroys the attempt there is, and its handle; returns what it had in flight */

/* paho_options.c: CONNECT as Paho wants it */
typedef struct hf_paho_options {
  MQTTAsync_connectOptions connect;
  MQTTAsync_SSLOptions tls;
  MQTTAsync_willOptions will;
  MQTTProperties properties, will_properties;
  char *uri, *username, *alpn;
} hf_paho_options;

bool hf_paho_options_make(hf_paho_options *options, hf_paho_attempt *attempt, const hf_link_attempt *from);
void hf_paho_options_free(hf_paho_options *options);
const char *hf_paho_proxy_in_the_way(bool tls); /* name of the environment variable, or NULL */
void hf_paho_psk_free(hf_paho_psk *psk);

/* paho_callbacks.c */
bool hf_paho_callbacks_set(hf_paho_attempt *attempt);
void hf_paho_callbacks_connect(hf_paho_attempt *attempt, MQTTAsync_connectOptions *options);
void hf_paho_callbacks_disconnect(hf_paho_attempt *attempt, MQTTAsync_disconnectOptions *options);
int hf_paho_tls_line(const char *line, size_t length, void *attempt);

/* paho_end.c: how a generation ends */
typedef struct hf_paho_ending {
  uint16_t kind; /* HF_LINK_FAILED, DOWN, CLOSED */
  hf_source source;
  int code;
  hf_phase phase;
  const char *text;
  hf_bytes reason_string; /* in place of text, when there is one */
  hf_bytes server_reference;
  bool leave_publishes; /* for the attempt's retirement to return */
} hf_paho_ending;

/* Tells the end if nothing has told it yet, and returns what need not be carried. Any thread, no lock held. */
void hf_paho_end(hf_paho_attempt *attempt, hf_paho_ending ending);
void hf_paho_loud_again(hf_paho_attempt *attempt); /* lock held */
void hf_paho_let_go(hf_paho_attempt *attempt);     /* of the waker, when it has ended; lock held */
hf_paho_ending hf_paho_failure(const hf_paho_attempt *attempt, int code, const char *message);
char *hf_paho_text(const char *text, size_t length);

/* paho_trace.c */
void hf_paho_watch_names(void);      /* process-wide: Paho says only in its log that a name was not found */
int hf_paho_take_name_failure(void); /* of the attempt that this thread reports; 0: none */
void hf_paho_watch_sockets(bool on); /* counts: on while somebody must learn over which socket its CONNACK comes */
int hf_paho_take_socket(void);       /* over which this thread has read the latest CONNACK; -1: not known */
void hf_paho_trace(hf_trace_level level, hf_trace_line_function *line);

/* paho_publish.c */
uint64_t hf_paho_publish_of(hf_paho_attempt *attempt, uint16_t packet_id); /* the id it was posted under; 0: none */
/* A PUBLISH is about to be written, out of this memory of Paho's; Paho has let go of one, over an answer. */
void hf_paho_written(hf_paho_attempt *attempt, uint16_t packet_id, const void *topic, const void *payload);
void hf_paho_answered(hf_paho_attempt *attempt, uint16_t packet_id);
bool hf_paho_publish(hf_link *link, hf_publish *publish);
void hf_paho_carry(hf_link *link, hf_publish *publish); /* lock held, or nobody else there yet */
void hf_paho_slots_init(hf_paho_attempt *attempt);
void hf_paho_slots_free(hf_paho_attempt *attempt);         /* when its handle is gone */
hf_publish *hf_paho_slots_sweep(hf_paho_attempt *attempt); /* lock held; what is lost, linked by mail.next */
/* Lock not held. What the broker has answered with PUBREC is its own from then on: that is not lost. */
void hf_paho_return(hf_paho_attempt *attempt, hf_publish *lost);
void hf_paho_delivered(hf_paho_attempt *attempt, int packet_id); /* for those that have no callback of ours, any more */
void hf_paho_carried_withhold(hf_paho_attempt *attempt); /* what the broker's Receive Maximum does not allow at once */
void hf_paho_weigh(hf_paho_attempt *attempt, size_t more, size_t less); /* lock held */

/* paho_queue.c: what waits in Paho's queue of commands is kept here */
void hf_paho_queue_disown(hf_paho_slot *slot, const void *topic, const void *payload);
int hf_paho_queue_put(hf_paho_attempt *attempt, const char *key, int count, char **buffers, const int *lengths);
int hf_paho_queue_get(hf_paho_attempt *attempt, const char *key, char **buffer, int *length);
void hf_paho_queue_remove(hf_paho_attempt *attempt, const char *key);
void hf_paho_queue_free(hf_paho_attempt *attempt);

/* paho_request.c */
bool hf_paho_subscribe(hf_link *link, const hf_subscription_request *request);
bool hf_paho_unsubscribe(hf_link *link, const hf_subscription_request *request);
bool hf_paho_probe(hf_link *link, uint32_t ticket);
void hf_paho_requests_free(hf_paho_attempt *attempt);

/* paho_socket.c: Nagle's algorithm off and close-on-exec on, for the socket that Paho has made for this attempt.
 */
void hf_paho_sockets_note(hf_paho_attempt *attempt);  /* before Paho connects: which ones are others' */
void hf_paho_sockets_claim(hf_paho_attempt *attempt); /* after it has; any thread */
void hf_paho_sockets_free(hf_paho_attempt *attempt);
void hf_paho_sockets_claim_peer(int descriptor); /* the other end of this one, in this process: close-on-exec */
/* Paho says DISCONNECT to every broker it leaves, and the will is thrown away. So a connection that has one keeps a
 * copy of its socket, which is shut when it ends without a goodbye, before Paho comes to that. Lock held. */
void hf_paho_sockets_keep(hf_paho_attempt *attempt); /* on the thread that has just read CONNACK */
void hf_paho_sockets_give_back(hf_paho_attempt *attempt);

/* paho_properties.c */
bool hf_paho_properties_number(MQTTProperties *to, enum MQTTPropertyCodes code, uint32_t value);
bool hf_paho_properties_user(MQTTProperties *to, const hf_properties *from);
bool hf_paho_properties_message(MQTTProperties *to, const hf_properties *from); /* of a PUBLISH or a will */

typedef struct hf_paho_reading { /* Paho's properties in our form; borrows */
  hf_properties properties;
  hf_user_property few_user[8];
  uint32_t few_identifiers[8];
  void *many;   /* malloc'ed when those do not do */
  bool starved; /* and could not be */
} hf_paho_reading;

/* NULL when there are none that an application sees, or memory is short. */
const hf_properties *hf_paho_properties_read(hf_paho_reading *reading, const MQTTProperties *from);
void hf_paho_reading_free(hf_paho_reading *reading);

#endif
