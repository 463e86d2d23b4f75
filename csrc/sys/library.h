/* library.h: libraries of others that are loaded when something first needs them.
 *
 * A program that publishes over plain TCP has no use for OpenSSL, SQLite and
 * Paho, and loading them costs more than its message does. So nothing of ours is
 * linked with them: whose room it is lists the functions that it calls, in
 * `names`, and calls them through `slots`, one pointer a name in the same order,
 * which belong to it. Loading waits for the disk: not for the thread that turns a
 * loop. Any thread; what is loaded stays.
 */
#ifndef HF_SYS_LIBRARY_H
#define HF_SYS_LIBRARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct hf_library {
  const char *file; /* as the dynamic linker looks for it */
  const char *const *names;
  void *slots;
  size_t count;
  /* Called once, before anybody else of ours may call: whether nobody in the process had it before. NULL: nothing to
   * do. */
  void (*loaded)(bool is_new);
  atomic_bool is_there;
} hf_library;

enum { HF_LIBRARY_PROBLEM = 200 };

/* Loads it, unless it is there. False: `problem`, of HF_LIBRARY_PROBLEM bytes, names the file and says what is wrong
 * with it; may be tried again. */
bool hf_library_load(hf_library *library, char *problem);

/* `end` is called at exit(3), before the ends that the libraries loaded by then, or their host, have registered there.
 * It may be called again. One for the process. */
void hf_library_at_exit(void (*end)(void));

#endif
