#define _DEFAULT_SOURCE
#include "sys/boot.h"

#include <fcntl.h>
#include <unistd.h>

void hf_boot_id(char text[HF_BOOT_ID]) {
  int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? 0 : read(file, text, HF_BOOT_ID - 1);
  if (file >= 0) close(file);
  if (length > 0 && text[length - 1] == '\n') length--;
  text[length > 0 ? length : 0] = '\0';
}
