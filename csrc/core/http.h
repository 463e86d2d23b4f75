/* http.h: the head of an HTTP/1.1 answer (RFC 9112), taken apart.
 *
 * Sans I/O and total: any bytes are a head, the beginning of one, or none. Work is
 * linear in them, and who reads them bounds how many there may be. Pure, no memory:
 * what is found points into the caller's bytes. Any thread.
 */
#ifndef HF_CORE_HTTP_H
#define HF_CORE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/properties.h"

enum { HF_HTTP_HEAD = 16384 /* bytes of a head that anybody needs */ };

typedef struct hf_http_head {
  int status;      /* 100 to 999 */
  hf_bytes phrase; /* what the server calls it */
  hf_bytes fields; /* all lines after the first */
} hf_http_head;

/* Length of the head that the bytes begin with, the empty line that ends it included; 0: it goes on. `looked`: 0 before
 * the first call, then what the one before has left there, with the same bytes and more. */
size_t hf_http_head_end(hf_bytes bytes, size_t *looked);

bool hf_http_head_read(hf_bytes whole, hf_http_head *head); /* false: it is none */

/* The value of the first field of this name, in lower case, from `*at` on (0 at first), without blanks around it; `*at`
 * is behind it then. No data: there is none, or none any more. */
hf_bytes hf_http_field(const hf_http_head *head, const char *name, size_t *at);

/* Whether the fields of this name, as lists divided by commas, hold `token`, in lower case. */
bool hf_http_has(const hf_http_head *head, const char *name, const char *token);

/* Seconds that Retry-After wants to be waited (RFC 9110 section 10.2.3): a number, or a date, which is taken by the
 * server's own clock, its Date. 0: it wants nothing, or nothing that can be understood. */
uint32_t hf_http_retry_after(const hf_http_head *head);

/* Whether this can be a field's name, and its value: nothing that could end the line or the head (RFC 9110 section 5).
 */
bool hf_http_is_name(hf_bytes text);
bool hf_http_is_value(hf_bytes text);

#endif
