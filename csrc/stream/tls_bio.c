#include "stream/tls_bio.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static bool has_ended(const hf_tls_pipe *pipe) {
  return pipe->lower->operations->state(pipe->lower) == HF_STREAM_ENDED;
}

/* ---- what waits ---- */

static void keep(hf_tls_pipe *pipe, const char *bytes, size_t length) {
  size_t waiting = pipe->count - pipe->from;
  unsigned char *rest = malloc(waiting + length);
  if (!rest) {
    pipe->starved = true;
    return;
  }
  if (waiting) memcpy(rest, pipe->rest + pipe->from, waiting);
  memcpy(rest + waiting, bytes, length);
  hf_tls_pipe_free(pipe);
  pipe->rest = rest;
  pipe->count = waiting + length;
}

void hf_tls_pipe_free(hf_tls_pipe *pipe) {
  free(pipe->rest);
  pipe->rest = NULL;
  pipe->from = pipe->count = 0;
}

bool hf_tls_pipe_is_clear(const hf_tls_pipe *pipe) {
  return !pipe->rest;
}

void hf_tls_pipe_flush(hf_tls_pipe *pipe) {
  if (!pipe->rest) return;
  pipe->from += pipe->lower->operations->write(pipe->lower, pipe->rest + pipe->from, pipe->count - pipe->from);
  if (pipe->from == pipe->count || has_ended(pipe)) hf_tls_pipe_free(pipe);
}

/* ---- what OpenSSL calls ---- */

static int write_all(BIO *bio, const char *bytes, int length) {
  hf_tls_pipe *pipe = BIO_get_data(bio);
  size_t taken = 0, all = (size_t)length;
  BIO_clear_retry_flags(bio);
  if (!pipe->rest) taken = pipe->lower->operations->write(pipe->lower, bytes, all);
  if (taken < all && !has_ended(pipe)) keep(pipe, bytes + taken, all - taken);
  return length;
}

static int read_some(BIO *bio, char *buffer, int room) {
  hf_tls_pipe *pipe = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  ptrdiff_t got = pipe->lower->operations->read(pipe->lower, buffer, (size_t)room);
  if (got > 0) return (int)got;
  if (got == 0) BIO_set_retry_read(bio);
  return got == 0 ? -1 : 0;
}

static long control(BIO *bio, int command, long number, void *pointer) {
  (void)number, (void)pointer;
  switch (command) {
  case BIO_CTRL_FLUSH:
    return 1;
  case BIO_CTRL_EOF:
    return has_ended(BIO_get_data(bio));
  default:
    return 0;
  }
}

static void make_method(void) {
  int type = BIO_get_new_index();
  if (type < 0) return;
  method = BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "holdfast stream");
  if (!method) return;
  BIO_meth_set_write(method, write_all);
  BIO_meth_set_read(method, read_some);
  BIO_meth_set_ctrl(method, control);
}

BIO *hf_tls_pipe_bio(hf_tls_pipe *pipe) {
  pthread_once(&once, make_method);
  BIO *bio = method ? BIO_new(method) : NULL;
  if (!bio) return NULL;
  BIO_set_data(bio, pipe);
  BIO_set_init(bio, 1);
  return bio;
}
