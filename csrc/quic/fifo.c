#define _GNU_SOURCE
#include "quic/fifo.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096, MOST = 65536 /* bytes of one */ };

struct hf_quic_chunk {
  hf_quic_chunk *next;
  uint64_t start; /* of the stream, of its first byte */
  size_t length, room;
  char data[];
};

static hf_quic_chunk *grow(hf_quic_fifo *fifo, size_t length) {
  size_t room = length < CHUNK ? CHUNK : length < MOST ? length : MOST;
  hf_quic_chunk *chunk = malloc(sizeof *chunk + room);
  if (!chunk) return NULL;
  *chunk = (hf_quic_chunk){.start = fifo->end, .room = room};
  if (fifo->last)
    fifo->last->next = chunk;
  else
    fifo->first = chunk;
  return fifo->last = chunk;
}

size_t hf_quic_fifo_add(hf_quic_fifo *fifo, const void *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    hf_quic_chunk *chunk = fifo->last;
    if (!chunk || chunk->length == chunk->room) chunk = grow(fifo, length - done);
    if (!chunk) break;
    size_t room = chunk->room - chunk->length, some = length - done < room ? length - done : room;
    memcpy(chunk->data + chunk->length, (const char *)bytes + done, some);
    chunk->length += some;
    fifo->end += some;
    done += some;
  }
  return done;
}

static void free_first(hf_quic_fifo *fifo) {
  hf_quic_chunk *chunk = fifo->first;
  fifo->first = chunk->next;
  if (!fifo->first) fifo->last = NULL;
  explicit_bzero(chunk->data, chunk->length);
  free(chunk);
}

void hf_quic_fifo_let_go(hf_quic_fifo *fifo, uint64_t until) {
  if (until > fifo->end) until = fifo->end;
  if (until > fifo->gone) fifo->gone = until;
  if (fifo->given < fifo->gone) fifo->given = fifo->gone;
  while (fifo->first && fifo->first->start + fifo->first->length <= fifo->gone)
    free_first(fifo);
}

size_t hf_quic_fifo_take(hf_quic_fifo *fifo, void *buffer, size_t room) {
  size_t done = 0;
  while (done < room && fifo->first) {
    hf_quic_chunk *chunk = fifo->first;
    size_t from = (size_t)(fifo->gone - chunk->start), there = chunk->length - from;
    size_t some = there < room - done ? there : room - done;
    memcpy((char *)buffer + done, chunk->data + from, some);
    done += some;
    hf_quic_fifo_let_go(fifo, fifo->gone + some);
  }
  return done;
}

void hf_quic_fifo_give_again(hf_quic_fifo *fifo) {
  fifo->given = fifo->gone;
}

void hf_quic_fifo_clear(hf_quic_fifo *fifo) {
  while (fifo->first)
    free_first(fifo);
  *fifo = (hf_quic_fifo){0};
}

size_t hf_quic_fifo_rest(const hf_quic_fifo *fifo, hf_bytes *pieces, size_t most) {
  size_t count = 0;
  for (const hf_quic_chunk *chunk = fifo->first; chunk && count < most; chunk = chunk->next) {
    uint64_t end = chunk->start + chunk->length;
    if (end <= fifo->given) continue;
    size_t from = fifo->given > chunk->start ? (size_t)(fifo->given - chunk->start) : 0;
    pieces[count++] = (hf_bytes){chunk->data + from, chunk->length - from};
  }
  return count;
}
