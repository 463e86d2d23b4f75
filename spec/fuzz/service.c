/* What a name server answers to the question for a service: any bytes. What is found of it are servers with a name and
 * a port, as many as there is room for; an answer with none has a reason; and a walk goes through all of them. */
#include "bytes.h"
#include "sys/srv.h"

static void walk_through(const hf_service *found) {
  hf_service_walk walk = {0};
  uint64_t random = found->ttl;
  const hf_service_server *one = hf_service_learn(&walk, found, 0, &random);
  promise(one);
  for (size_t i = 0; i < found->count && (i == 0 || found->ttl > 0); i++) { /* one of no time is asked for each time */
    promise(one && one->port > 0 && one->host[0] && memchr(one->host, '\0', sizeof one->host));
    one = hf_service_next(&walk, 0, &random);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  hf_service found;
  unsigned char *exact = malloc(size ? size : 1);
  if (!exact) abort();
  if (size) memcpy(exact, data, size);
  hf_network_code problem = hf_srv_read(exact, size, &found);
  free(exact);
  promise(found.count <= HF_SERVICE_SERVERS && found.ttl <= 86400);
  promise(problem ? problem == HF_NETWORK_NAME_NOT_FOUND || problem == HF_NETWORK_NAME_SERVER_FAILING
                  : found.count > 0);
  if (!problem) walk_through(&found);
  return 0;
}
