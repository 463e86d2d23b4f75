/* budget.h: how many attempts a process may begin, as a token bucket.
 *
 * A broker that comes back sees every client of a process at once; the bucket
 * makes them queue. A token is always granted, if need be in the future: the
 * caller is told how long to wait and holds a place in line meanwhile, so nobody
 * has to ask twice and nobody overtakes. The caller owns the struct and says what
 * time it is. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_BUDGET_H
#define HF_CORE_BUDGET_H

#include <stdint.h>

typedef struct hf_budget {
  double per_ms; /* tokens a millisecond; 0: no limit */
  double burst;  /* most tokens that are saved up, >= 1 */
  double tokens; /* below 0: promised to those in line */
  int64_t last;  /* when `tokens` was true */
} hf_budget;

/* Starts full. Those in line keep the places they were given. */
void hf_budget_set(hf_budget *budget, double per_second, double burst, int64_t now);

/* Takes one token: ms until it may be used, 0 for at once. */
int64_t hf_budget_take(hf_budget *budget, int64_t now);

/* Whoever leaves the line early gives the token back. */
void hf_budget_return(hf_budget *budget);

/* Without a place in line: ms until there are so many tokens, and none is owed; 0: now. Then who goes spends some,
 * which may be more than there are. */
int64_t hf_budget_wait(hf_budget *budget, double tokens, int64_t now);
void hf_budget_spend(hf_budget *budget, double tokens);

#endif
