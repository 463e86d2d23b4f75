#define _GNU_SOURCE
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* SQLite's locks are the process's, and gone as soon as anybody here closes another descriptor of the same file: a
 * backup, a metric. So each store has one more, of its own descriptor, on a byte that SQLite does not use and no file
 * is long enough to have. Where the file system has no such locks, what this process itself has open is known all the
 * same, and found out without a descriptor. */

enum { BYTE = 0x48464453 /* of the file, far from SQLite's at 0x40000000 */ };

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER; /* a leaf but for the system's own; guards the list */
static hf_store_lock *held;
static pthread_once_t watching = PTHREAD_ONCE_INIT;

/* ---- of those that are about to let go ---- */

enum { PATIENCE = 3 /* s: a DISCONNECT may take one, and then the disk */ };

static pthread_cond_t freed; /* on CLOCK_MONOTONIC */
static atomic_int leaving;

void hf_store_leaving(hf_store *store) {
  if (!atomic_exchange(&store->leaving, true)) atomic_fetch_add(&leaving, 1);
}

void hf_store_left(hf_store *store) {
  if (!atomic_exchange(&store->leaving, false)) return;
  pthread_mutex_lock(&opening);
  atomic_fetch_sub(&leaving, 1);
  pthread_cond_broadcast(&freed);
  pthread_mutex_unlock(&opening);
}

/* `opening` held, but not throughout. False: nobody will, or it takes too long. */
static bool wait_for_leavers(struct timespec *until) {
  if (until->tv_sec == 0) {
    clock_gettime(CLOCK_MONOTONIC, until);
    until->tv_sec += PATIENCE;
  }
  return atomic_load(&leaving) > 0 && pthread_cond_timedwait(&freed, &opening, until) == 0;
}

static void before_fork(void) {
  pthread_mutex_lock(&opening);
}

static void in_parent(void) {
  pthread_mutex_unlock(&opening);
}

/* A lock of this kind ends with the last copy of its descriptor: a child must not keep a store shut that its parent has
 * let go of. */
static void in_child(void) {
  for (hf_store_lock *lock = held; lock; lock = lock->next) {
    if (lock->descriptor >= 0) close(lock->descriptor);
    lock->descriptor = -1;
  }
  pthread_mutex_unlock(&opening);
}

static void watch(void) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&freed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pthread_atfork(before_fork, in_parent, in_child);
}

static bool is_held(const struct stat *about) {
  for (const hf_store_lock *lock = held; lock; lock = lock->next) {
    if (lock->device == about->st_dev && lock->inode == about->st_ino) return true;
  }
  return false;
}

/* False: somebody has it. */
static bool set_lock(int descriptor, short type) {
#ifdef F_OFD_SETLK
  struct flock byte = {.l_type = type, .l_whence = SEEK_SET, .l_start = BYTE, .l_len = 1};
  return fcntl(descriptor, F_OFD_SETLK, &byte) == 0 || (errno != EAGAIN && errno != EACCES);
#else
  (void)descriptor, (void)type;
  return true;
#endif
}

static bool same(const struct stat *one, const struct stat *other) {
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* `opening` held. */
static hf_store_code take(hf_store_lock *lock, const char *path, hf_store_problem *problem) {
  struct stat about, opened;
  struct timespec until = {0};
  for (;;) {
    if (stat(path, &about) != 0) return HF_STORE_OK; /* SQLite says it better */
    if (is_held(&about)) {
      if (wait_for_leavers(&until)) continue;
      return hf_store_say(problem, HF_STORE_LOCKED, path, NULL);
    }
    lock->descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (lock->descriptor < 0) return HF_STORE_OK;
    if (!set_lock(lock->descriptor, F_WRLCK)) {
      close(lock->descriptor);
      lock->descriptor = -1;
      return hf_store_say(problem, HF_STORE_LOCKED, path, NULL);
    }
    if (fstat(lock->descriptor, &opened) == 0 && stat(path, &about) == 0 && same(&opened, &about)) break;
    close(lock->descriptor); /* another one has taken its place meanwhile */
    lock->descriptor = -1;
  }
  lock->device = about.st_dev;
  lock->inode = about.st_ino;
  lock->next = held;
  held = lock;
  return HF_STORE_OK;
}

hf_store_code hf_store_lock_take(hf_store_lock **lock, const char *path, hf_store_problem *problem) {
  pthread_once(&watching, watch);
  *lock = calloc(1, sizeof **lock);
  if (!*lock) return hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
  (*lock)->descriptor = -1;
  pthread_mutex_lock(&opening);
  hf_store_code code = take(*lock, path, problem);
  pthread_mutex_unlock(&opening);
  return code;
}

void hf_store_lock_drop(hf_store_lock *lock) {
  if (!lock) return;
  pthread_mutex_lock(&opening);
  for (hf_store_lock **at = &held; *at; at = &(*at)->next) {
    if (*at == lock) {
      *at = lock->next;
      break;
    }
  }
  if (lock->descriptor >= 0) {
    set_lock(lock->descriptor, F_UNLCK); /* a child may just be being born */
    close(lock->descriptor);
  }
  pthread_mutex_unlock(&opening);
  free(lock);
}

bool hf_store_lock_is_of(const hf_store_lock *lock, const char *path, bool *gone) {
  struct stat about;
  bool there = stat(path, &about) == 0;
  *gone = !there && errno == ENOENT;
  if (!there || lock->descriptor < 0) return !*gone; /* what cannot be told is as it was */
  return lock->device == about.st_dev && lock->inode == about.st_ino;
}
