/* inside.h: how a keeper and its clients look from within; for csrc/keeper only.
 *
 * A client's struct has three parts: what never changes after hf_client_new,
 * what any thread may touch (atomics, and the snapshot under `lock`, which is a
 * leaf), and what only the thread that turns the keeper may touch. The keeper
 * owns the third part until it reaps the client. Every mail in its inbox that is
 * a command, and every mail to Lua, holds a reference; a link's mails need none,
 * since a client is reaped only after its link is destroyed. What must arrive is
 * not allocated when it happens: signals, and the events ROOM and CLOSED, are in
 * the client, and the keeper keeps some events in reserve for the others.
 */
#ifndef HF_KEEPER_INSIDE_H
#define HF_KEEPER_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/budget.h"
#include "core/heap.h"
#include "core/index.h"
#include "core/line.h"
#include "core/ring.h"
#include "core/subscriptions.h"
#include "keeper/begun.h"
#include "keeper/client.h"
#include "keeper/deadlines.h"
#include "keeper/diagnosis.h"
#include "keeper/event.h"
#include "keeper/keeper.h"
#include "keeper/patience.h"
#include "keeper/primary.h"
#include "keeper/reference.h"
#include "keeper/resolver.h"
#include "keeper/trust.h"
#include "link/link.h"
#include "store/store.h"

enum hf_command_kind {
  HF_COMMAND_PUBLISH = HF_MAIL_COMMAND_BASE, /* hf_publish */
  HF_COMMAND_WITHDRAW,                       /* hf_event, which becomes the answer */
  HF_COMMAND_START,                          /* the rest are hf_commands */
  HF_COMMAND_WAKE,
  HF_COMMAND_RECONNECT,
  HF_COMMAND_NETWORK_CHANGED,
  HF_COMMAND_SUBSCRIBE,
  HF_COMMAND_UNSUBSCRIBE,
  HF_COMMAND_CREDENTIALS,
  HF_COMMAND_DELAY,
  HF_COMMAND_RESOLVED,  /* hf_resolved */
  HF_COMMAND_KNOCKED,   /* hf_knocked */
  HF_COMMAND_TRUSTED,   /* hf_trusted */
  HF_COMMAND_DIAGNOSED, /* hf_diagnosed */
  HF_COMMAND_TURN,      /* in `number` ms this attempt may begin; below 0: Lua does not know */
  HF_COMMAND_LIMIT,     /* for the keeper, owner NULL: attempts in 1,000 s, the burst, whether Lua is asked (`wish`) */
  HF_COMMAND_TRACE,     /* for the keeper, owner NULL: an hf_trace_level */
  HF_COMMAND_STOP,      /* for the keeper, owner NULL: the process ends */
  HF_COMMAND_SIGNALS,   /* hf_signals from here on: HF_COMMAND_SIGNALS plus one of these */
};

/* Commands of which one that is on its way says all, so that they are at most one a client and live in it. */
typedef enum hf_signal_kind {
  HF_SIGNAL_CLOSE,     /* within `close_within` */
  HF_SIGNAL_RELEASE,   /* Lua has drained enough */
  HF_SIGNAL_CONSUMED,  /* messages may be acknowledged, or there is room for more */
  HF_SIGNAL_NOT_KEPT,  /* the store would not take a post */
  HF_SIGNAL_COMMITTED, /* what is done is out of the store */
  HF_SIGNAL_TENDED,    /* what the store wrote is on the medium */
  HF_SIGNAL_REAP,      /* from the keeper to itself: everything of this client has been handled */
  HF_SIGNAL_COUNT
} hf_signal_kind;

typedef struct hf_signal {
  hf_mail mail;
  atomic_bool under_way;
} hf_signal;

typedef struct hf_command {
  hf_mail mail;
  uint64_t id;
  int64_t number; /* a delay, a timeout */
  uint32_t wish;  /* or a ticket */
  bool failed;    /* CREDENTIALS: first is why */
  hf_wish_options options;
  hf_bytes first;            /* filter, user name; inside the block */
  hf_bytes second;           /* password */
  hf_properties *properties; /* owned */
  char data[];
} hf_command;

typedef enum hf_trial_turn {
  HF_TURN_OPEN,    /* until there are others to be sent */
  HF_TURN_ACCUSED, /* it goes out alone */
  HF_TURN_OTHERS
} hf_trial_turn;

typedef struct hf_trial { /* of what may be why connections end: trial.c */
  hf_publish *alone;      /* a suspect that is in flight, and nothing else may be; NULL: none */
  hf_publish *accused;    /* on trial: in `again` or in flight; NULL: none */
  uint64_t random;        /* tosses the coin */
  uint64_t tried;         /* id of the accused that went out last without evidence */
  int64_t lent_at;        /* when `alone` went out */
  int64_t hold_until;     /* when one of the accused goes out though there are no others */
  uint32_t hold;          /* ms */
  uint32_t count;         /* of the accused */
  uint32_t ended;         /* the generation that ended last, if that may have been over a publish; else 0 */
  uint32_t barren;        /* connections in a row that ended with publishes in flight and none acknowledged */
  uint32_t deaths, turns; /* of connections with the accused alone, and those of the others */
  uint32_t evidence;      /* against the accused, in hundredths of a bit */
  size_t left;            /* of the others, to go out in this turn */
  int16_t code;           /* of the end of `ended` */
  uint8_t source;         /* likewise, an hf_source */
  uint8_t turn;           /* hf_trial_turn */
  uint8_t coin;           /* that was tossed for it */
  bool named;             /* `ended` is said to have been over something that was sent */
  bool counts;            /* it speaks against what was in flight alone */
  bool answered;          /* one of the others was, in this turn */
  bool carries;           /* when this connection became ready, the link had publishes of former ones */
  bool acknowledged;      /* on this connection something was */
  bool sent_unanswerable; /* likewise, of QoS 0 */
} hf_trial;

typedef struct hf_outbox {
  hf_line again;        /* came back from a link; goes out before all that is fresh, whose ids are higher */
  hf_line fresh;        /* never lent to a link: what an overflow may drop */
  hf_heap timers;       /* of those in the lines that have a deadline and were not sent */
  hf_index all;         /* those in the lines and those in flight, by id */
  size_t in_flight;     /* lent to the link */
  size_t window;        /* of which so many may be, at most */
  size_t open;          /* so many now: slow start */
  size_t burst;         /* of the backlog's QoS 0, sent since the last breath */
  int64_t breath_until; /* HF_NEVER: there was no such burst */
  uint64_t backlog;     /* up to this id it had queued up when the connection became ready */
  hf_trial trial;
} hf_outbox;

/* What an attempt still waits for before the link is opened; DIAGNOSIS, FILES: before its failure is told. */
typedef enum hf_gate {
  HF_GATE_NONE,
  HF_GATE_LEAVING,
  HF_GATE_BUDGET, /* it has a place in the process's own line */
  HF_GATE_ASKED,  /* Lua is asked for a place in a line of several processes */
  HF_GATE_TURN,   /* and has given it one */
  HF_GATE_CREDENTIALS,
  HF_GATE_NAME,
  HF_GATE_TRUST, /* the files of tls are read */
  HF_GATE_LINK,
  HF_GATE_DIAGNOSIS, /* a look at the server */
  HF_GATE_FILES      /* a look at the files of tls, which has no place in any line */
} hf_gate;

typedef struct hf_shared_counters {
#define COUNTER(name) atomic_uint_fast64_t name;
  HF_COUNTERS(COUNTER)
#undef COUNTER
} hf_shared_counters;

struct hf_client {
  /* set once */
  hf_keeper *keeper;
  const hf_link_operations *operations;
  hf_client_options *options;
  hf_mailbox *out;
  hf_store *store; /* NULL: what is queued ends with the process */
  uint32_t id;

  /* any thread */
  atomic_uint references;
  atomic_size_t queued_messages, queued_bytes; /* admitted, outcome not yet taken */
  atomic_size_t inbox_messages, inbox_bytes;   /* handed to Lua, not yet consumed; of QoS 1 and 2 where the link can */
  atomic_size_t flood_messages, flood_bytes;   /* hold those back, and here of QoS 0 */
  atomic_uint_fast64_t begun[2];               /* up to this receipt all of QoS 1, of QoS 2, may be acknowledged */
  hf_begun marks[2];                           /* for the thread of its Lua state alone */
  atomic_size_t events;                        /* hf_events handed to Lua, not yet taken; see tell.c */
  atomic_size_t verdicts;                      /* the same of GRANTED_AGAIN alone */
  atomic_size_t outcomes;                      /* the same of outcomes whose room in the queue is free already */
  atomic_bool room_wanted, closed, held, quiet;
  atomic_bool gone; /* closed, and there is nothing left to wait for: it shows as such, and is counted no more */
  atomic_uint_fast64_t next_publish;
  hf_shared_counters counters;
  hf_signal signals[HF_SIGNAL_COUNT];
  atomic_uint_fast32_t close_within; /* ms: the least of all closes */
  atomic_uint_fast32_t farewell;     /* hf_farewell: the highest of them */
  hf_mail room;                      /* HF_EVENT_ROOM */
  atomic_bool room_told;             /* and not taken yet */
  hf_event over;                     /* HF_EVENT_CLOSED */
  pthread_mutex_t lock;              /* guards the snapshot and the history; nothing is called while it is held */
  hf_status snapshot;
  hf_ring history;
  hf_attempt_record records[HF_HISTORY];

  /* the keeper thread alone */
  hf_engine engine;
  hf_link *link;
  hf_subscriptions *subscriptions;
  hf_outbox outbox;
  hf_timer timer;
  hf_errand commit, tend, close_store;
  hf_client *next_dirty;
  hf_client *next, **previous; /* of the keeper's clients; previous NULL: not started */
  char *assigned_id;           /* NULL: the options' own */
  hf_bytes username, password; /* of this attempt, when the user gives them anew each time; owned */
  int64_t up_since;
  int64_t due[HF_DEADLINE_COUNT];
  size_t held_messages;         /* not acknowledged, while the inbox is full */
  int64_t held_since;           /* when one of them was, or there were none */
  size_t requests;              /* SUBSCRIBE and UNSUBSCRIBE without an answer */
  uint32_t awaited;             /* the ticket that HF_DUE_SUBSCRIBE is about */
  hf_patience subscribe, probe; /* of HF_DUE_SUBSCRIBE and HF_DUE_PROBE */
  hf_link_connected limits;     /* what CONNACK said last */
  hf_reference reference;
  hf_primary primary;
  hf_diagnosis diagnosis;
  const hf_server *server;        /* of the running attempt or connection, or of the last one */
  const hf_server *begun_at;      /* where the session began with us; NULL: nowhere yet */
  const hf_server *downgraded_at; /* which refused MQTT 5 last; NULL: none */
  const hf_server *closing; /* which has closed the latest attempts of MQTT 5 without a word, `closings` of them */
  uint64_t spoke_5;         /* servers, as in hf_engine.worked */
  uint32_t generation;
  hf_resolved *resolved;   /* of the running attempt, where the link takes all addresses; NULL: none */
  hf_tls_context *context; /* likewise, a reference; NULL: none */
  hf_address address;      /* of the running attempt; empty: the server as it is written */
  uint32_t address_turn;   /* which of a name's addresses is next */
  uint8_t protocol;
  uint8_t gate; /* hf_gate */
  bool dirty;
  bool connected;
  bool ready;         /* told since the last connect */
  bool leaving;       /* the link has been told to close and has not answered yet */
  bool was_connected; /* once in its life: a clean start is over */
  bool asked_clean;   /* this attempt asked for a clean start */
  bool on_trial;      /* of 3.1.1, which nobody has asked for */
  uint8_t trials;     /* that came to nothing */
  uint8_t closings;
  bool strange;  /* its own id was found to have a session already */
  bool finished; /* on its way out: nothing but HF_COMMAND_REAP matters any more */
  bool reaped;
  bool renewing;     /* the connection is changed for another one without a word: link.h, RENEW */
  bool committing;   /* an errand does, right now */
  bool tending;      /* likewise */
  bool consumed;     /* Lua has, since the last look at what is held */
  bool store_closed; /* or is being closed */
};

struct hf_keeper {
  hf_keeper_links links;
  hf_mailbox *inbox;
  hf_loop loop;
  hf_mail *told, **last_told; /* by links that live on its own thread; handled in the turn, or at once in the next */
  hf_keeper_means means;
  hf_budget budget; /* of attempts, for all its clients */
  bool ask_budget;  /* Lua, which shares a budget with other processes; `budget` is for when it does not answer */
  hf_client *clients;
  hf_client *dirty;
  hf_mail *spares; /* events in reserve */
  size_t spare_count;
  hf_mailbox *touched; /* has events whose hint is not raised yet; a reference */
  uint64_t seeds;
  int64_t now;
  int64_t hint_at;     /* HF_NEVER: there are no news of the network to pass on */
  bool gained;         /* they are good ones */
  bool watching;       /* a client wants them */
  bool watching_clock; /* a client has met a certificate of another time */
  bool clock_set;
  size_t mails; /* that the last turn took */
  bool begun[HF_TRANSPORTS];
  bool stopping;
};

extern hf_shared_counters hf_totals;
extern atomic_size_t hf_client_total;  /* not gone */
extern atomic_size_t hf_client_living; /* in memory, for specs */

/* handle.c: any thread */
void hf_client_gone(hf_client *client); /* as often as you like */
void hf_client_free(hf_client *client); /* which nobody has seen yet */

/* door.c: the ways into a keeper. The sinks of links, for those that answer on any thread and for those that live on
 * the keeper's; and what is at most one a client. */
void hf_keeper_deliver(void *keeper, hf_mail *mail);
void hf_keeper_tell(void *keeper, hf_mail *mail);
void hf_client_signal(hf_client *client, hf_signal_kind kind); /* any thread, as often as you like */
void hf_driver_dirty(hf_client *client);                       /* it is settled at the end of the turn */

/* command.c: commands that nobody reads any more. Both take the mail. */
void hf_command_free(hf_command *command);
void hf_commands_discard(hf_mail *mail); /* and its reference */

/* commands.c: what the Lua side asks for. Takes the mail. */
void hf_commands_mail(hf_client *client, hf_mail *mail);

/* driver.c: the engine's will is done here. */
/* `down` is what the link said of it; NULL: nothing. */
void hf_driver_step(hf_client *client, hf_engine_event event, const hf_link_down *down);
void hf_driver_fail(hf_client *client, hf_source source, int code, const char *text); /* FAILED, before any link */
/* LOST, for a reason of ours: leaves without a word. `text`: what is to be said beyond the reason, or NULL. */
void hf_driver_lose(hf_client *client, hf_client_code code, const char *text);
void hf_driver_renew(hf_client *client); /* another connection in place of this one, without a word if it succeeds */
void hf_driver_hint(hf_client *client);  /* the network may have changed */
void hf_driver_reap(hf_client *client);
void hf_driver_timer(hf_timer *timer, int64_t now);
void hf_driver_probe_unanswered(hf_client *client);
void hf_driver_subscribe_unanswered(hf_client *client);
void hf_driver_engine_due(hf_client *client);
void hf_driver_settle(hf_client *client); /* at the end of a turn: pump, report, schedule */
void hf_driver_close_when_flushed(hf_client *client);

/* attempt.c: from the wish to connect to the link's `open`. */
void hf_attempt_begin(hf_client *client);
void hf_attempt_credentials(hf_client *client, const hf_command *answer);
void hf_attempt_resolved(hf_client *client, hf_resolved *answer); /* takes it */
void hf_attempt_trusted(hf_client *client, hf_trusted *answer);   /* takes it */
void hf_attempt_place(hf_client *client, const hf_command *answer);
void hf_attempt_turn(hf_client *client);          /* its turn in the line has come */
void hf_attempt_line_up_again(hf_client *client); /* the budget has been changed */
void hf_attempt_leave_line(hf_client *client);
void hf_attempt_left(hf_client *client);   /* the connection before has ended at last */
void hf_attempt_forget(hf_client *client); /* the credentials that were gathered for it */

/* answers.c: what the link tells. Takes the mail. */
void hf_answers_mail(hf_client *client, hf_mail *mail);
/* What a diagnosis held back is told: with what was found, or, at the end of the attempt's time, as the link named it.
 */
void hf_answers_diagnosed(hf_client *client, const hf_diagnosed *answer);
void hf_answers_undiagnosed(hf_client *client);

/* outbox.c */
void hf_outbox_accept(hf_client *client, hf_publish *publish);
void hf_outbox_ready(hf_client *client); /* the window begins to open */
void hf_outbox_pump(hf_client *client);
void hf_outbox_expire(hf_client *client);       /* drops what is past its deadline */
int64_t hf_outbox_due(const hf_client *client); /* when there is something to expire; HF_NEVER */
void hf_outbox_delivered(hf_client *client, hf_publish *publish);
void hf_outbox_withdraw(hf_client *client, hf_event *answer); /* takes it: HF_COMMAND_WITHDRAW */
void hf_outbox_drop_all(hf_client *client);
bool hf_outbox_empty(const hf_client *client);

/* trial.c: which publish do connections end over? */
void hf_trial_ready(hf_client *client);
/* The next to go out; NULL: none may now. */
hf_publish *hf_trial_next(hf_client *client);
void hf_trial_lent(hf_client *client, hf_publish *publish);
void hf_trial_answered(hf_client *client, const hf_publish *publish);
/* The connection is down: was it for what we sent? Before what it has lost comes back. */
void hf_trial_ended(hf_client *client, const hf_link_down *down, hf_engine_event *event);
bool hf_trial_convicts(hf_client *client, hf_publish *publish); /* which came back lost; true: it is the culprit */
void hf_trial_forget(hf_client *client, hf_publish *publish);   /* its outcome is known */

/* keeping.c: a client's store; without one these do nothing. The first two are for the thread that makes the client and
 * posts. */
bool hf_keeping_begin(hf_client *client, hf_store_problem *problem);  /* posts again what is kept; false: `problem` */
bool hf_keeping_append(hf_client *client, const hf_publish *publish); /* false: it is not kept, so it is not accepted */
void hf_keeping_resume(hf_client *client); /* the link is new, and learns what the session may still know */
void hf_keeping_over(hf_client *client, hf_publish *publish); /* its outcome is known; sets HF_PUBLISH_KEPT */
bool hf_keeping_holds_back(const hf_client *client, const hf_publish *publish); /* what cannot be written is not sent */
void hf_keeping_settle(hf_client *client);                                      /* at the end of a turn */
void hf_keeping_committed(hf_client *client);
void hf_keeping_tended(hf_client *client);
bool hf_keeping_end(hf_client *client); /* false: it is being closed, and HF_COMMAND_REAP comes once more */

/* wishes.c */
void hf_wishes_pump(hf_client *client);
void hf_wishes_answer(hf_client *client, const hf_link_answer *answer);
void hf_wishes_probe(hf_client *client);
/* The connection is down: was it for a filter? Those that are out are asked for again one at a time, and one that is
 * out a second time is refused; true: one was. */
bool hf_wishes_blame(hf_client *client, const hf_link_down *down);
/* `why` the connection has ended, and what it has left unanswered, since a broker may end it over that without a word.
 * Owned by the caller; NULL: nothing is unanswered. */
char *hf_wishes_unanswered(const hf_client *client, const char *why);

/* admission.c: the outcome of a publish is known. Gives back its room in the queue, at once or when Lua takes the
 * outcome; returns the mail that tells it, or NULL when nobody is told, and the publish has been freed. Any thread. */
hf_publish *hf_client_outcome(hf_client *client, hf_publish *publish, bool tell);

/* inbox.c: messages on their way to Lua. */
typedef enum hf_inbox_verdict {
  HF_INBOX_WELL,
  HF_INBOX_FULL,    /* and the link cannot be held back: the only way not to be given more is to be away */
  HF_INBOX_VIOLATED /* the connection must end: `wrong` */
} hf_inbox_verdict;
/* Takes the message. */
hf_inbox_verdict hf_inbox_message(hf_client *client, hf_message *message, const char **wrong);
void hf_inbox_opened(hf_client *client);   /* the link is new */
void hf_inbox_consumed(hf_client *client); /* Lua is done with some */
void hf_inbox_held(hf_client *client);     /* the inbox is full: what stands, and since when */

/* tell.c: events for Lua. So many that it has not looked at yet, and so many verdicts and one more a wish, beyond each
 * wish's first: a script that never looks must not fill the memory. */
enum { HF_EVENTS_AT_MOST = 1024 };
hf_event *hf_tell_make(hf_client *client, enum hf_event_kind kind); /* NULL: over the bound, counted */
void hf_tell_fill(const hf_client *client, hf_event *event, enum hf_event_kind kind); /* one of zeros */
bool hf_tell_reserve(hf_keeper *keeper); /* at the end of a turn; false: memory is short */
void hf_tell_free_reserve(hf_keeper *keeper);
void hf_tell_send(hf_client *client, hf_event *event);
void hf_tell_mail(hf_client *client, hf_mail *mail);
void hf_tell_raise(hf_keeper *keeper);                  /* at the end of a turn */
void hf_tell_note(hf_client *client, const char *text); /* a line for whoever follows the log */
void hf_tell_reason(hf_event *event, const hf_client *client);

/* snapshot.c */
void hf_snapshot_publish(hf_client *client);
void hf_snapshot_attempt(hf_client *client);
void hf_snapshot_attempt_phase(hf_client *client, hf_phase phase); /* how far it got, if further than known */
void hf_snapshot_attempt_ended(hf_client *client);                 /* or waits in another way than was chosen first */
void hf_count(hf_client *client, size_t counter, uint64_t amount); /* offsetof in hf_shared_counters */
#define HF_COUNT(client, name, amount) hf_count((client), offsetof(hf_shared_counters, name), (amount))

#endif
