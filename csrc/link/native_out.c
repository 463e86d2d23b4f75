#define _DEFAULT_SOURCE
#include "link/native_out.h"

#include <stdlib.h>
#include <string.h>

struct hf_chunk {
  hf_chunk *next;
  const uint8_t *bytes; /* `data`, or borrowed */
  size_t length, sent, room;
  size_t answers;
  uint8_t data[];
};

/* Room for small packets; longer ones have a chunk of their own. What went out at once last time goes out by one call
 * this time, and may be a little more: room is asked for by what a packet takes at most. */
enum { GATHER_LEAST = 4096 - sizeof(hf_chunk), GATHER_MOST = 65536 - sizeof(hf_chunk) };

static size_t gather(const hf_out *out) {
  size_t room = out->flushed + out->flushed / 8;
  if (room <= GATHER_LEAST) return GATHER_LEAST;
  return room < GATHER_MOST ? room : GATHER_MOST;
}

static hf_chunk *add(hf_out *out, size_t room) {
  hf_chunk *chunk = malloc(sizeof *chunk + room);
  if (!chunk) return NULL;
  *chunk = (hf_chunk){.bytes = chunk->data, .room = room};
  if (out->last)
    out->last->next = chunk;
  else
    out->first = chunk;
  out->last = chunk;
  return chunk;
}

static void let_go(hf_out *out) {
  hf_chunk *chunk = out->first;
  if (out->written - chunk->sent < out->secret_until) explicit_bzero(chunk->data, chunk->room);
  out->first = chunk->next;
  if (!out->first) out->last = NULL;
  out->answers -= chunk->answers;
  free(chunk);
}

uint8_t *hf_out_reserve(hf_out *out, size_t length) {
  hf_chunk *chunk = out->last;
  if (!chunk || chunk->room < chunk->length + length) {
    size_t room = gather(out);
    chunk = add(out, length > room ? length : room);
  }
  return chunk ? chunk->data + chunk->length : NULL;
}

void hf_out_commit(hf_out *out, size_t length) {
  out->last->length += length;
  out->appended += length;
}

void hf_out_commit_answer(hf_out *out, size_t length) {
  hf_out_commit(out, length);
  out->last->answers++;
  out->answers++;
}

bool hf_out_borrow(hf_out *out, hf_bytes bytes) {
  hf_chunk *chunk = add(out, 0);
  if (!chunk) return false;
  chunk->bytes = (const uint8_t *)bytes.data;
  chunk->length = bytes.length;
  out->appended += bytes.length;
  return true;
}

bool hf_out_flush(hf_out *out, hf_stream *stream) {
  if (out->first) out->flushed = (size_t)(out->appended - out->written);
  while (out->first) {
    hf_chunk *chunk = out->first;
    if (chunk->sent < chunk->length) {
      size_t taken = stream->operations->write(stream, chunk->bytes + chunk->sent, chunk->length - chunk->sent);
      chunk->sent += taken;
      out->written += taken;
      if (chunk->sent < chunk->length) return false;
    }
    let_go(out);
  }
  return true;
}

void hf_out_clear(hf_out *out) {
  while (out->first)
    let_go(out);
  *out = (hf_out){0};
}
