/* inside.h: how a store looks from within; for csrc/store only.
 *
 * Three locks, taken in this order. `slow` is held by those that wait for the
 * disk, so that they take turns and nobody who only writes waits for them. `lock`
 * guards the database and everything else in the struct. `mind` guards what those
 * look at or add to who must not wait, and is never held while anything is
 * written, read or waited for.
 *
 * There are two connections to the database, which is SQLite's way of folding a
 * log while it is written: `folder` needs `slow` alone.
 */
#ifndef HF_STORE_INSIDE_H
#define HF_STORE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "core/index.h"
#include "core/list.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "sys/boot.h"

enum { HF_STORE_APPLICATION = 0x48464453 /* "HFDS", in the file's header */, HF_STORE_VERSION = 4 };

typedef enum hf_store_statement {
  HF_STORE_BEGIN,
  HF_STORE_COMMIT,
  HF_STORE_ROLLBACK,
  HF_STORE_INSERT,
  HF_STORE_DELETE,
  HF_STORE_DELETE_FLIGHT,
  HF_STORE_CLAIM,
  HF_STORE_MOMENT,
  HF_STORE_SENT,
  HF_STORE_RELEASED,
  HF_STORE_RECEIVED,
  HF_STORE_COMPLETED,
  HF_STORE_SESSION,
  HF_STORE_FORGET_FLIGHTS,
  HF_STORE_FORGET_RECEIVED,
  HF_STORE_TICKET,
  HF_STORE_PAGES,
  HF_STORE_STATEMENTS
} hf_store_statement;

/* What became of the session and is not written yet. */
typedef struct hf_store_late {
  struct hf_store_late *next, *previous;
  uint64_t place; /* 0: nobody asks */
  hf_store_note note;
  char packet[];
} hf_store_late;

typedef struct hf_store_recent hf_store_recent; /* one thing that has been written and may not be on the medium */

typedef struct hf_store_moment { /* ms of each clock at once */
  char boot[HF_BOOT_ID];         /* the start of the machine that `clock` counts from */
  int64_t clock;                 /* hf_clock_ms */
  int64_t wall;
  int64_t own; /* the store's: see age.c */
} hf_store_moment;

enum { HF_STORE_TICKETS = 8 };

typedef struct hf_store_ticket {
  unsigned char key[HF_STORE_TICKET_KEY];
  char *secret; /* NULL: none any more under this key */
  size_t length;
  uint64_t turn; /* in which they were kept */
  bool used;
  bool dirty; /* not as in the file */
} hf_store_ticket;

typedef struct hf_store_lock {
  struct hf_store_lock *next;
  int descriptor; /* -1: it could not be opened, or its file system has no such locks */
  dev_t device;
  ino_t inode;
} hf_store_lock;

struct hf_store {
  pthread_mutex_t slow;
  pthread_mutex_t lock;
  sqlite3 *database; /* NULL: closed, or being made anew */
  sqlite3 *folder;
  sqlite3_stmt *statements[HF_STORE_STATEMENTS];
  char *path;            /* absolute */
  hf_store_lock *shut;   /* against all others */
  atomic_bool leaving;   /* counted among those that are about to let go */
  int log;               /* descriptor of the log, to wait for it without the lock */
  int frames;            /* in the log */
  int fold_at;           /* from so many on */
  int64_t roomy;         /* bytes that the file holds without asking the disk for more; 0: not known */
  int64_t used;          /* of them, at most */
  uint64_t written;      /* commits */
  uint64_t synced;       /* of them on the medium */
  uint64_t claimed;      /* ids below this are not given by a later process */
  uint64_t next;         /* the first id that nobody has */
  uint64_t sent;         /* the place of what was sent last */
  hf_store_moment begun; /* when it was opened */
  uint8_t protocol;
  bool mid_exchange; /* when it was opened */
  bool broken;       /* what it wrote is not on the medium, or not at its path: it must be made anew */
  bool renewed;      /* a fresh file is whole, and is to be put in its place */
  hf_list_link recent;
  hf_index recent_messages, recent_packets;
  bool closed;
  hf_store_problem trouble, refusal;

  pthread_mutex_t mind;
  uint64_t *done; /* not written yet; there is room for all messages */
  size_t done_count, done_room;
  size_t messages; /* in the file */
  hf_store_late *first_late, *last_late;
  bool overdue; /* they could not be written */
  hf_store_ticket tickets[HF_STORE_TICKETS];
  uint64_t ticket_turns;
  uint64_t noted, places; /* places of hf_store_take_note: written, given */
  hf_store_problem news;
  bool has_news;
  bool ended;                     /* `closed`, for those who must not wait */
  bool ailing, unsynced, lengthy; /* as of the last `leave` */
};

/* The code of an SQLite result, and `problem` filled in if it is not HF_STORE_OK. */
hf_store_code hf_store_judge(const char *path, sqlite3 *database, int result, hf_store_problem *problem);
hf_store_code hf_store_judge_errno(const char *path, int error, hf_store_problem *problem);
hf_store_code hf_store_say(hf_store_problem *problem, hf_store_code code, const char *path, const char *words);

/* create.c: a new, complete and empty store appears at `path`, or was there first. */
hf_store_code hf_store_create(const char *path, const char *client_id, hf_store_problem *problem);
char *hf_store_beside(const char *path, const char *ending); /* NULL: no memory */
int hf_store_make_aside(const char *path, char **aside);     /* an empty file beside it; a descriptor, or -1 (errno) */
bool hf_store_sync_descriptor(int descriptor, bool data);    /* false: errno, and not EINTR */
bool hf_store_sync_folder(const char *path);
void hf_store_clean(const char *path); /* what processes that were killed have left of making one */

/* open.c */
hf_store_code hf_store_connect(const hf_store *store, sqlite3 **database, hf_store_problem *problem);
hf_store_code hf_store_open_all(hf_store *store, const char *client_id, hf_store_problem *problem);
void hf_store_shut_all(hf_store *store);

/* lock.c: nobody else has the file open as a store, in this process or another, until the lock is dropped. Taken or
 * not, `*lock` is the caller's to drop. */
hf_store_code hf_store_lock_take(hf_store_lock **lock, const char *path, hf_store_problem *problem);
void hf_store_lock_drop(hf_store_lock *lock);
void hf_store_left(hf_store *store);                                               /* it has let go */
bool hf_store_lock_is_of(const hf_store_lock *lock, const char *path, bool *gone); /* whose file is still at `path` */

/* age.c */
void hf_store_age_begin(hf_store *store, const hf_store_moment *last); /* NULL: none is known */
hf_store_moment hf_store_age_now(const hf_store *store);
int64_t hf_store_age_written(const hf_store *store, int64_t moment);
int64_t hf_store_age_read(const hf_store *store, int64_t written);

/* store.c: the lock is held between the two, and while the others run. `enter` is false when nothing can be written. */
bool hf_store_enter(hf_store *store);
hf_store_code hf_store_leave(hf_store *store);
hf_store_code hf_store_answer(hf_store *store); /* leaves, for what is answered to whoever asked */
int hf_store_step(hf_store *store, hf_store_statement which);
int hf_store_step_with(hf_store *store, hf_store_statement which, uint64_t number);
int hf_store_insert(hf_store *store, const hf_publish *publish, hf_bytes properties);
int hf_store_delete(hf_store *store, uint64_t id); /* a message and its flight */
bool hf_store_end_transaction(hf_store *store, int result);
int hf_store_write_moment(hf_store *store);
void hf_store_write_rest(hf_store *store); /* notes and what is done */
void hf_store_tell(hf_store *store, const hf_store_problem *news);

/* session.c */
bool hf_store_write_late(hf_store *store);                           /* the lock held */
int hf_store_write_note(hf_store *store, const hf_store_note *note); /* likewise */
void hf_store_prune_late(hf_store *store);
void hf_store_forget_late(hf_store *store);

/* ticket.c: the lock held; but the first two, of which one is for an open that begins, the other for `mind` held. */
int hf_store_read_tickets(hf_store *store);
bool hf_store_has_new_tickets(const hf_store *store);
bool hf_store_write_tickets(hf_store *store);
void hf_store_forget_tickets(hf_store *store); /* the store ends */

/* tend.c: `slow` held, the lock not. */
hf_store_code hf_store_wait_for_disk(hf_store *store);
void hf_store_write_last(hf_store *store); /* the rest, at the end, both held: a full disk has it fold the log first */
bool hf_store_is_lengthy(const hf_store *store);
bool hf_store_is_there(const hf_store *store, bool *gone); /* file and log are at their paths; no lock needed */

/* anew.c: finishes what a process has begun and was killed over; makes a store anew, `slow` and the lock held. */
hf_store_code hf_store_finish_move(const char *path, hf_store_problem *problem);
void hf_store_make_anew(hf_store *store);

/* room.c: the lock held. The file has room for a message of `size` bytes more, so that a log with it can be folded into
 * it whatever else fills the disk; SQLITE_FULL: it cannot have it. It is cut, and its room forgotten, by a fold. */
int hf_store_make_room(hf_store *store, size_t size);
void hf_store_use_room(hf_store *store, size_t size); /* of a note, which is written even so */
void hf_store_forget_room(hf_store *store);

/* recent.c: what has been written since the last sync that succeeded; the lock held, but while one is made. */
void hf_store_recent_init(hf_store *store);
void hf_store_recent_end(hf_store *store);
hf_store_recent *hf_store_recent_message(const hf_publish *publish);    /* a copy; NULL: no memory */
void hf_store_recent_drop(hf_store_recent *recent);                     /* it has not been written after all */
void hf_store_remember_message(hf_store *store, hf_store_recent *made); /* takes it */
void hf_store_remember_done(hf_store *store, uint64_t id);
void hf_store_remember_note(hf_store *store, const hf_store_note *note);
void hf_store_forget_recent(hf_store *store, uint64_t synced); /* so many commits are on the medium */
hf_store_code hf_store_write_recent(hf_store *store);          /* once more, in a file made anew */

/* record.c: a message as a row; its sum tells whether what comes back is what was written. */
int64_t hf_store_sum(const hf_publish *publish, int64_t deadline, int64_t expires, hf_bytes properties);
int64_t hf_store_flags(const hf_publish *publish);
hf_publish *hf_store_publish(sqlite3_stmt *row, hf_store_problem *problem, const char *path); /* NULL: problem */

/* read.c */
hf_store_code hf_store_read_messages(sqlite3 *database, const char *path, hf_store_take take, void *context,
                                     hf_store_problem *problem);

#endif
