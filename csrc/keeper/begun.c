#include "keeper/begun.h"

#include <stdlib.h>

enum { LEAST = 32 };

void hf_begun_free(hf_begun *begun) {
  free(begun->marks);
}

static bool make_room(hf_begun *begun, uint64_t receipt) {
  if (receipt - begun->upto <= begun->room) return true;
  uint32_t room = begun->room ? begun->room : LEAST;
  while (receipt - begun->upto > room)
    room *= 2;
  uint8_t *marks = calloc(room, 1);
  if (!marks) return false;
  for (uint64_t number = begun->upto + 1; number <= begun->upto + begun->room; number++)
    marks[number & (room - 1)] = begun->marks[number & (begun->room - 1)];
  free(begun->marks);
  begun->marks = marks;
  begun->room = room;
  return true;
}

bool hf_begun_expect(hf_begun *begun, uint64_t receipt) {
  if (receipt <= begun->expected) return true;
  if (!make_room(begun, receipt)) return false;
  while (++begun->expected < receipt)
    hf_begun_mark(begun, begun->expected);
  return true;
}

void hf_begun_mark(hf_begun *begun, uint64_t receipt) {
  if (receipt <= begun->upto || receipt - begun->upto > begun->room) return;
  begun->marks[receipt & (begun->room - 1)] = 1;
  for (uint8_t *next; begun->room && *(next = &begun->marks[(begun->upto + 1) & (begun->room - 1)]);) {
    *next = 0;
    begun->upto++;
  }
}
