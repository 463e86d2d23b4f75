/* store.h: what must outlive the process: messages that were accepted, packet ids and how far their exchanges are.
 *
 * One file (and its log beside it) for one client, an SQLite database that no
 * other process can open meanwhile. A store belongs to whoever opened it; it has
 * no thread of its own. All functions but open and close may be called from any
 * thread; each says whether it waits, and who must not wait calls the others.
 *
 * Those that write lock the store, write to the log and return: what they wrote
 * survives the end of the process, by SIGKILL too. They do not wait for the
 * medium; a power cut may cost what was written since the last hf_store_tend or
 * hf_store_sync, which wait for it and are for threads that may. What it costs is
 * the newest, never something in the middle: the log is read up to the first
 * record that is not whole. Writers wait for one another, but not while
 * hf_store_tend waits for the disk or folds a long log into the file, with two
 * exceptions: a log that has become four times as long as usual because there was
 * never a moment without new records, and a file that is made anew.
 *
 * A file that has failed to reach the medium, or has been removed, is made anew
 * by hf_store_tend or hf_store_sync: a fresh one, of what can be read of the old
 * one, each message checked by its sum, is moved into its place, and what has been
 * written since the last sync that succeeded, of which memory has a copy, is
 * written once more.
 *
 * The locks are leaves: nothing of ours is called while one is held, but what the
 * two reads hand over to, which must not come back to the store.
 */
#ifndef HF_STORE_STORE_H
#define HF_STORE_STORE_H

#include "core/message.h"

typedef struct hf_store hf_store;

typedef enum hf_store_code {
  HF_STORE_OK,
  HF_STORE_CORRUPT,      /* damaged: what it held cannot be told any more */
  HF_STORE_FULL,         /* no room on the disk */
  HF_STORE_READ_ONLY,    /* the file, or its file system, may not be written */
  HF_STORE_LOCKED,       /* open already, here or in another process */
  HF_STORE_FOREIGN,      /* not a store of ours */
  HF_STORE_NEWER,        /* made by a later version */
  HF_STORE_OTHER_CLIENT, /* it is the store of another client id */
  HF_STORE_FAILED,       /* the system said no: no such folder, no permission, an I/O error */
  HF_STORE_NO_MEMORY,
  HF_STORE_NO_LIBRARY, /* a library that is not there, or not whole */
} hf_store_code;

typedef struct hf_store_problem {
  hf_store_code code;
  char text[400]; /* names the file and what is wrong with it */
} hf_store_problem;

/* The stable word of a code: "store_corrupt" ... */
const char *hf_store_word(hf_store_code code);

/* Makes the file if there is none, for this user alone, else checks all of it. Takes as long as the disk does. NULL:
 * `problem` says why. */
hf_store *hf_store_open(const char *path, const char *client_id, hf_store_problem *problem);

/* Writes down what is left to write, waits for the disk and lets the file go. Whoever calls afterwards is told
 * HF_STORE_FAILED. hf_store_free is the end, for when nobody can call any more. */
void hf_store_close(hf_store *store);

/* It will be closed at once: whoever in this process opens the same file meanwhile waits for that, for some seconds at
 * most. Does not wait. */
void hf_store_leaving(hf_store *store);
void hf_store_free(hf_store *store);

/* What went wrong last; code HF_STORE_OK: the last write was fine. Waits for writers. */
void hf_store_trouble(hf_store *store, hf_store_problem *problem);

/* The same without waiting, and there is nothing of the session that could not be written: a new exchange of QoS 2 may
 * begin. */
bool hf_store_well(hf_store *store);

/* Why hf_store_append, hf_store_claim or hf_store_sync failed last, whatever has been written since. Waits for writers.
 */
void hf_store_refusal(hf_store *store, hf_store_problem *problem);

/* What whoever owns the program should hear, once: the disk has failed, the file was removed or replaced; code
 * HF_STORE_OK: it has been made anew since. False: nothing. Does not wait. */
bool hf_store_news(hf_store *store, hf_store_problem *news);

/* ---- messages ---- */

/* The first id that no message of this store has had. */
uint64_t hf_store_next_id(const hf_store *store);

/* Hands each message to `take`, which owns it, in the order of their ids. Their `packet_id`, if not 0, is one under
 * which the session may know them, at QoS 1 and 2; `released` says how far the exchange of QoS 2 is, and
 * `place` in which order they were sent; 0: before all that have one, since an older version has written it. False:
 * `problem`. */
typedef void (*hf_store_take)(void *context, hf_publish *publish);
bool hf_store_read(hf_store *store, hf_store_take take, void *context, hf_store_problem *problem);

/* The message is in the log, under its id, when this returns HF_STORE_OK. Its `deadline` and `expires` are moments of
 * hf_clock_ms, and again such in the next process, whatever has happened to the clock on the wall. */
hf_store_code hf_store_append(hf_store *store, const hf_publish *publish);

/* Its id is not given again, though the message itself is not kept (QoS 0). */
hf_store_code hf_store_claim(hf_store *store, uint64_t id);

/* No more is to be done for a message; written with others of its kind by hf_store_commit. Losing this costs a
 * repetition at QoS 1 and nothing at QoS 2. Does not wait, and needs no memory. */
void hf_store_done(hf_store *store, uint64_t id);

/* Writes down what is done, and what hf_store_note was given; keeps it for the next time, should that fail. */
void hf_store_commit(hf_store *store);
bool hf_store_wants_commit(hf_store *store); /* it has something to do and may succeed; does not wait */

/* ---- the session: which packet ids are whose, each written before the packet that it is about goes out. What cannot
 * be is kept in mind, and written as soon as anything can. ---- */

/* MQTT version of the session that the rest is about; 0: there is none yet. A new one forgets the old one's state. */
uint8_t hf_store_protocol(const hf_store *store);
bool hf_store_mid_exchange(const hf_store *store); /* there was QoS 2 under way when the store was opened */
void hf_store_begin_session(hf_store *store, uint8_t protocol); /* does not wait: written before all that follows */

/* PUBLISH, QoS 1 or 2: sent again in its session it keeps its packet id [MQTT-4.4.0-1]. Over when it is done. */
void hf_store_sent(hf_store *store, uint16_t packet_id, uint64_t id);
void hf_store_released(hf_store *store, uint16_t packet_id); /* PUBREL */

/* PUBLISH received, QoS 2, until its PUBCOMP. `packet` is all of it as it came, from the first byte of its fixed header
 * to the last of its payload, whichever transport took it; empty where only its packet id matters any more, because the
 * message has been handed over. */
void hf_store_received(hf_store *store, uint16_t packet_id, hf_bytes packet);
void hf_store_completed(hf_store *store, uint16_t packet_id);
typedef void (*hf_store_take_received)(void *context, uint16_t packet_id, hf_bytes packet);
bool hf_store_read_received(hf_store *store, hf_store_take_received take, void *context);

/* All of this for a thread that must not wait: the note is kept, in order, for hf_store_commit on another one. */
typedef enum hf_store_note_kind {
  HF_STORE_NOTE_SESSION, /* `number`: protocol */
  HF_STORE_NOTE_SENT,    /* `number`: id of the message */
  HF_STORE_NOTE_RELEASED,
  HF_STORE_NOTE_RECEIVED,
  HF_STORE_NOTE_COMPLETED
} hf_store_note_kind;

typedef struct hf_store_note {
  hf_store_note_kind kind;
  uint16_t packet_id;
  uint64_t number;
  hf_bytes packet; /* copied */
} hf_store_note;

/* Its place in the order, from 1; 0: no memory, and nothing is kept. Its packet may go out once hf_store_noted says as
 * much or more. */
uint64_t hf_store_take_note(hf_store *store, hf_store_note note);
uint64_t hf_store_noted(hf_store *store);

/* ---- tickets: secrets by which a later process comes back to a server faster. Few, and none is worth failing for ----
 */

enum { HF_STORE_TICKET_KEY = 32, HF_STORE_TICKET_MOST = 65536 /* bytes */ };

/* What is kept under a key; the caller's, to be wiped and freed. Length 0: nothing. Does not wait. */
hf_bytes hf_store_ticket_of(hf_store *store, const unsigned char *key);

/* In place of what was kept under this key; of more than a few, the one that was kept longest ago goes. Length 0:
 * nothing is kept under it any more. Does not wait: hf_store_commit writes it. */
void hf_store_keep_ticket(hf_store *store, const unsigned char *key, hf_bytes secret);

/* ---- the disk ---- */

/* Whether hf_store_tend has something to do. Does not wait. */
bool hf_store_wants_tending(hf_store *store);

/* Waits until all that was written is on the medium; folds the log into the file when it has grown long; looks whether
 * the file is still where it was, and makes it anew where that is needed. */
void hf_store_tend(hf_store *store);

/* The first of these alone, and the last if the first fails. */
hf_store_code hf_store_sync(hf_store *store);

#endif
