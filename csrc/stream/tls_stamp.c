#define _GNU_SOURCE
#include "stream/tls_stamp.h"

#include <stdlib.h>
#include <string.h>

struct hf_tls_stamp {
  char *path;
  struct stat about; /* zeros: there is no such file */
};

static void look(const char *path, struct stat *about) {
  if (stat(path, about) != 0) memset(about, 0, sizeof *about);
}

static bool is_same_time(struct timespec one, struct timespec other) {
  return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

static bool is_same(const struct stat *one, const struct stat *other) {
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino && one->st_size == other->st_size &&
         is_same_time(one->st_mtim, other->st_mtim) && is_same_time(one->st_ctim, other->st_ctim);
}

bool hf_tls_stamps_add(hf_tls_stamps *stamps, const char *path) {
  if (stamps->count == stamps->room) {
    size_t room = stamps->room ? stamps->room * 2 : 4;
    hf_tls_stamp *list = realloc(stamps->list, room * sizeof *list);
    if (!list) return false;
    stamps->list = list;
    stamps->room = room;
  }
  hf_tls_stamp *stamp = &stamps->list[stamps->count];
  stamp->path = strdup(path);
  if (!stamp->path) return false;
  look(path, &stamp->about);
  stamps->count++;
  return true;
}

void hf_tls_stamps_free(hf_tls_stamps *stamps) {
  for (size_t i = 0; i < stamps->count; i++)
    free(stamps->list[i].path);
  free(stamps->list);
  *stamps = (hf_tls_stamps){0};
}

const struct stat *hf_tls_stamps_at(const hf_tls_stamps *stamps, size_t place) {
  return &stamps->list[place].about;
}

bool hf_tls_stamps_hold(hf_tls_stamps *stamps, int64_t now, int64_t age) {
  if (now - stamps->looked_at < age) return true;
  for (size_t i = 0; i < stamps->count; i++) {
    struct stat about;
    look(stamps->list[i].path, &about);
    if (!is_same(&about, &stamps->list[i].about)) return false;
  }
  stamps->looked_at = now;
  return true;
}
