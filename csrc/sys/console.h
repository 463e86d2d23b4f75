/* console.h: what a program of the shell has of its process: the signals that end it, and its standard streams.
 *
 * There is one of it in a process, and no memory to free: a descriptor that a
 * signal handler writes to, and a pipe of a page or more, are kept until the
 * end. On the main thread only; the library itself uses none of this, for
 * signals and standard streams belong to whoever has the process.
 */
#ifndef HF_SYS_CONSOLE_H
#define HF_SYS_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Has none of the three standard streams that are closed be whatever is opened next, a connection say: they are there,
 * and read or write nothing. Before anything else is opened. False: no descriptor to be had (errno). */
bool hf_console_complete(void);

/* From here on SIGINT, SIGTERM and SIGHUP are remembered, unless they were ignored, and SIGPIPE is ignored. The second
 * of them ends the process as it always does. False: no descriptor to be had (errno). */
bool hf_console_catch(void);
bool hf_console_let(void); /* or SIGINT ends the process at once, in which an interpreter of Lua has an error thrown */
int hf_console_caught(void); /* the number of the first one that came; 0: none */

typedef struct hf_console_news {
  bool input;   /* there is something to read, be it the end */
  bool hung_up; /* nobody writes to the standard input any more */
  bool gone;    /* nobody reads the standard output any more */
} hf_console_news;

/* Waits until a signal comes or has come, `descriptor` (-1: none) is readable, there is news of the standard streams,
 * or that many milliseconds are over (-1: no end). The standard input is looked at only where that is wanted. */
hf_console_news hf_console_wait(int descriptor, bool wants_input, int milliseconds);

typedef enum hf_console_input {
  HF_INPUT_TAKEN, /* of a terminal, say: nobody else gets what was read */
  HF_INPUT_LEFT,  /* a pipe or a socket: what was seen is still there */
  HF_INPUT_FILE   /* likewise a file, whose end is where it shows less than there is room for */
} hf_console_input;

enum { HF_CONSOLE_ROOM = 65536 }; /* the most bytes that are seen or dropped at once */

/* What comes next on the standard input, without waiting: how many bytes there were, 0 at its end, -1 with errno, which
 * is EAGAIN where there is nothing yet. But for HF_INPUT_TAKEN they are there until hf_console_drop takes them out, and
 * if this process is killed before, another one on the same input finds them. */
ssize_t hf_console_peek(char *bytes, size_t room, hf_console_input *input);
bool hf_console_drop(size_t count); /* false: errno */
size_t hf_console_input_room(void); /* no peek finds more than that, whatever comes; 0: as much as it has room for */

/* False where the standard output is no terminal. */
bool hf_console_size(unsigned *columns, unsigned *rows);

#endif
