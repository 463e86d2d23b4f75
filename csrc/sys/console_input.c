#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/console.h"

static int copy[2] = {-1, -1}; /* of what is in the pipe that is the standard input */

static mode_t kind_of_input(void) {
  struct stat status;
  return fstat(STDIN_FILENO, &status) == 0 ? status.st_mode & S_IFMT : 0;
}

size_t hf_console_input_room(void) {
  int room = kind_of_input() == S_IFIFO ? fcntl(STDIN_FILENO, F_GETPIPE_SZ) : 0;
  return room > 0 ? (size_t)room : 0;
}

/* A second pipe of the same size: what is copied into it comes out again at once. */
static bool make_copy(void) {
  if (copy[0] >= 0) return true;
  if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  size_t room = hf_console_input_room();
  if (room > 0) fcntl(copy[0], F_SETPIPE_SZ, (int)room); /* a smaller one shows less at a time */
  return true;
}

static ssize_t peek_at_pipe(char *bytes, size_t room) {
  if (!make_copy()) return -1;
  ssize_t count = tee(STDIN_FILENO, copy[1], room, SPLICE_F_NONBLOCK);
  if (count <= 0) return count;
  size_t got = 0;
  while (got < (size_t)count) {
    ssize_t more = read(copy[0], bytes + got, (size_t)count - got);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return -1;
    got += (size_t)more;
  }
  return count;
}

ssize_t hf_console_peek(char *bytes, size_t room, hf_console_input *input) {
  *input = HF_INPUT_LEFT;
  switch (kind_of_input()) {
  case S_IFIFO:
    return peek_at_pipe(bytes, room);
  case S_IFSOCK:
    return recv(STDIN_FILENO, bytes, room, MSG_PEEK | MSG_DONTWAIT);
  case S_IFREG:
    *input = HF_INPUT_FILE;
    return pread(STDIN_FILENO, bytes, room, lseek(STDIN_FILENO, 0, SEEK_CUR));
  default:
    *input = HF_INPUT_TAKEN;
    return read(STDIN_FILENO, bytes, room);
  }
}

/* By one read, as a peek finds no more: whoever is killed leaves a line in the pipe whole, or nothing of it. */
bool hf_console_drop(size_t count) {
  static char bytes[HF_CONSOLE_ROOM];
  if (kind_of_input() == S_IFREG) return lseek(STDIN_FILENO, (off_t)count, SEEK_CUR) >= 0;
  while (count > 0) {
    ssize_t got = read(STDIN_FILENO, bytes, count < sizeof bytes ? count : sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    count -= (size_t)got;
  }
  return true;
}
