/* inside.h: what a keeper and its clients are made of; for csrc/keeper only.
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
#include "core/gate.h"
#include "core/heap.h"
#include "core/ring.h"
#include "core/roads.h"
#include "core/subscriptions.h"
#include "keeper/begun.h"
#include "keeper/client.h"
#include "keeper/command.h"
#include "keeper/deadlines.h"
#include "keeper/diagnosis.h"
#include "keeper/dues.h"
#include "keeper/event.h"
#include "keeper/finder.h"
#include "keeper/given.h"
#include "keeper/keeper.h"
#include "keeper/keeping.h"
#include "keeper/outbox.h"
#include "keeper/patience.h"
#include "keeper/posting.h"
#include "keeper/primary.h"
#include "keeper/proof.h"
#include "keeper/reference.h"
#include "keeper/resolver.h"
#include "keeper/snapshot.h"
#include "keeper/trust.h"
#include "keeper/walk.h"
#include "link/link.h"
#include "store/store.h"

struct hf_client {
  /* set once */
  hf_keeper *keeper;
  const hf_link_operations *operations;
  hf_client_options *options;
  hf_mailbox *out;
  hf_store *store; /* NULL: what is queued ends with the process */
  uint32_t id;

  /* whichever thread posts, one at a time */
  hf_posting posting;

  /* any thread */
  atomic_uint references;
  hf_account account;
  atomic_size_t inbox_messages, inbox_bytes; /* handed to Lua, not yet consumed; of QoS 1 and 2 where the link can */
  atomic_size_t flood_messages, flood_bytes; /* hold those back, and here of QoS 0 */
  atomic_uint_fast32_t answers;              /* the wish by which answers to our questions come; 0: none does */
  atomic_uint_fast64_t begun[2];             /* up to this receipt all of QoS 1, of QoS 2, may be acknowledged */
  hf_begun marks[2];                         /* for the thread of its Lua state alone */
  hf_wishing *removals;                      /* likewise: made with each wish, for when it is no longer wanted */
  atomic_size_t events;                      /* hf_events handed to Lua, not yet taken; see tell.c */
  atomic_size_t verdicts;                    /* the same of GRANTED_AGAIN alone */
  atomic_size_t outcomes;                    /* the same of outcomes whose room in the queue is free already */
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
  pthread_mutex_t lock; /* guards the snapshot and the history; nothing that waits is called while it is held */
  hf_status snapshot;
  hf_ring history;
  hf_attempt_record records[HF_HISTORY];
  hf_attempt_beside *besides; /* of each of them, where there are servers beside each other; NULL: there are none */

  /* the keeper thread alone */
  hf_engine engine;
  hf_link *link;
  hf_subscriptions *subscriptions;
  hf_outbox outbox;
  hf_dues dues;
  hf_publish *row; /* the outcome that was told last, and what it stands for; not in the mailbox yet: tell.c */
  hf_timer timer;
  hf_keeping *keeping; /* NULL: there is no store */
  hf_client *next_dirty;
  hf_client *next, **previous;   /* of the keeper's clients; previous NULL: not started */
  char *assigned_id;             /* NULL: the options' own */
  char *response_information;    /* of the connection that was made last; NULL: none */
  hf_given given;                /* of this attempt, what the user gives anew each time; owned */
  hf_given_server *given_server; /* of the latest attempt that the user has named a server for; NULL: none */
  char *nonce;                   /* of SCRAM's exchange; NULL: there was none */
  hf_event *exchange;            /* what will be told of the one under way on a connection that is up; NULL: none */
  hf_label *labels;              /* of those that were */
  int64_t down_since;            /* it is to be connected, and is not; HF_NEVER: it is, or is not to be */
  int64_t downtime;              /* ms of that, without what goes on */
  int64_t due[HF_DEADLINE_COUNT];
  hf_mail *waiting;             /* messages that nobody had the memory to say whose they are */
  hf_mail **last_waiting;       /* while there are any */
  size_t held_messages;         /* not acknowledged, while the inbox is full */
  int64_t held_since;           /* when one of them was, or there were none */
  size_t requests;              /* SUBSCRIBE and UNSUBSCRIBE without an answer */
  uint32_t awaited;             /* the ticket that HF_DUE_SUBSCRIBE is about */
  hf_patience subscribe, probe; /* of HF_DUE_SUBSCRIBE and HF_DUE_PROBE */
  hf_link_connected limits;     /* what CONNACK said last */
  hf_reference reference;
  hf_primary primary;
  hf_diagnosis diagnosis;
  const hf_server *server;   /* of the running attempt or connection, or of the last one */
  const char *begun_at;      /* the address where the session began with us; NULL: nowhere yet */
  const char *downgraded_at; /* which refused MQTT 5 last; NULL: none */
  const char *closing;       /* which has closed the latest attempts of MQTT 5 without a word, `closings` of them */
  uint64_t spoke_5;          /* servers, as in hf_engine.worked */
  uint32_t generation;
  hf_proxy *given_proxy;           /* of this attempt, as the user answered it; owned; NULL: none */
  const hf_proxy *proxy;           /* that the running attempt goes by; NULL: none */
  hf_resolved *proxy_resolved;     /* its addresses; NULL: none are needed */
  hf_tls_context *proxy_context;   /* likewise, a reference */
  hf_resolved *resolved;           /* of the running attempt, where the link takes all addresses; NULL: none */
  hf_tls_context *context;         /* likewise, a reference; NULL: none */
  hf_tls_context *last_context;    /* of the last attempt: a reference, for what tickets are in it; NULL: none */
  hf_address address;              /* of the running attempt; empty: the server as it is written */
  hf_walk *walks;                  /* of the services that it has to do with */
  const hf_service_server *target; /* of the running attempt, where its server is a service; NULL: none yet */
  uint32_t address_turn;           /* which of a name's addresses is next */
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
  bool renewing; /* the connection is changed for another one without a word: link.h, RENEW */
  bool consumed; /* Lua has, since the last look at what is held */
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
  hf_mailbox *led;     /* of the Lua state whose thread turns the keeper and looks by itself; NULL: none */
  hf_roads roads;      /* by which servers were reached lately */
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

#endif
