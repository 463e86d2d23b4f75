/* tls_stamp.h: whether a file, or a folder, is still the one that was read.
 *
 * A list of paths, each with what stat(2) said of it before it was read. The
 * caller owns the struct, hf_tls_stamps_free what is in it. One thread at a time.
 */
#ifndef HF_STREAM_TLS_STAMP_H
#define HF_STREAM_TLS_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef struct hf_tls_stamp hf_tls_stamp;

typedef struct hf_tls_stamps {
  hf_tls_stamp *list;
  size_t count, room;
  int64_t looked_at; /* ms, hf_clock_ms */
} hf_tls_stamps;

enum { HF_TLS_LOOK = 1000 /* ms between two looks at the same files, for those who must not wait */ };

bool hf_tls_stamps_add(hf_tls_stamps *stamps, const char *path); /* false: no memory */
void hf_tls_stamps_free(hf_tls_stamps *stamps);

/* What stat(2) said of the one at that place; zeros: there is no such file. */
const struct stat *hf_tls_stamps_at(const hf_tls_stamps *stamps, size_t place);

/* No file of the list has changed, come or gone; without a look at them if the last one is younger than `age`. */
bool hf_tls_stamps_hold(hf_tls_stamps *stamps, int64_t now, int64_t age);

#endif
