#define _GNU_SOURCE
#include "sys/claim.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int hf_claim(const char *name, size_t length) {
  static const char before[] = "\0holdfast ";
  enum { BEFORE = sizeof before - 1 };
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, before, BEFORE);
  memcpy(address.sun_path + BEFORE, name, length);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + BEFORE + length);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return HF_CLAIM_UNKNOWN;
  if (bind(fd, (struct sockaddr *)&address, size) == 0) return fd;
  int why = errno;
  close(fd);
  return why == EADDRINUSE ? HF_CLAIM_TAKEN : HF_CLAIM_UNKNOWN;
}
