/* service.h: the servers that a service has by the SRV records of its name (RFC 2782), and whose turn it is.
 *
 * The records of an answer are put into the order in which they should be tried:
 * by priority, and within one by chance as their weights have it. A walk goes
 * through them, one an attempt, and remembers across newer answers whom it has
 * tried already, so that a service whose first server is dead and whose records
 * live for a second gets to its second one all the same. Pure; a struct belongs
 * to one thread at a time.
 */
#ifndef HF_CORE_SERVICE_H
#define HF_CORE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HF_SERVICE_SERVERS = 32, HF_SERVICE_HOST = 253 };

typedef struct hf_service_server {
  uint16_t priority, weight, port;
  char host[HF_SERVICE_HOST + 1];
} hf_service_server;

typedef struct hf_service {
  size_t count;
  uint32_t ttl; /* s, the least of its records'; at most a day */
  bool absent;  /* it says that there is no such service: its only target is "." */
  hf_service_server servers[HF_SERVICE_SERVERS];
} hf_service;

/* One more record. One that leads nowhere, as with a host that is no name or a port 0, and one more than there is room
 * for, are left out. */
void hf_service_add(hf_service *service, const char *host, hf_service_server numbers, uint32_t ttl);

void hf_service_order(hf_service_server *servers, size_t count, uint64_t *random);

typedef struct hf_service_walk { /* zeroed: nothing is known */
  hf_service service;
  size_t next;
  bool tried[HF_SERVICE_SERVERS]; /* and those that the answer before had, if they are in this one too */
  int64_t until;                  /* ms: then its answer is too old */
} hf_service_walk;

/* The server whose turn it is; NULL: the name server must be asked first. */
const hf_service_server *hf_service_next(hf_service_walk *walk, int64_t now, uint64_t *random);

/* Its answer, with one server or more: whose turn it is now. */
const hf_service_server *hf_service_learn(hf_service_walk *walk, const hf_service *answer, int64_t now,
                                          uint64_t *random);

void hf_service_reached(hf_service_walk *walk); /* one of them works: the next walk begins with the first again */

#endif
