#include "core/budget.h"

static void accrue(hf_budget *budget, int64_t now) {
  if (now > budget->last) budget->tokens += (double)(now - budget->last) * budget->per_ms;
  if (budget->tokens > budget->burst) budget->tokens = budget->burst;
  budget->last = now;
}

void hf_budget_set(hf_budget *budget, double per_second, double burst, int64_t now) {
  *budget = (hf_budget){.per_ms = per_second / 1000, .burst = burst, .tokens = burst, .last = now};
}

int64_t hf_budget_take(hf_budget *budget, int64_t now) {
  if (!(budget->per_ms > 0)) return 0;
  accrue(budget, now);
  budget->tokens -= 1;
  return budget->tokens >= 0 ? 0 : (int64_t)(-budget->tokens / budget->per_ms) + 1;
}

void hf_budget_return(hf_budget *budget) {
  if (budget->per_ms > 0) budget->tokens += 1;
}

int64_t hf_budget_wait(hf_budget *budget, double tokens, int64_t now) {
  if (!(budget->per_ms > 0)) return 0;
  accrue(budget, now);
  return budget->tokens >= tokens ? 0 : (int64_t)((tokens - budget->tokens) / budget->per_ms) + 1;
}

void hf_budget_spend(hf_budget *budget, double tokens) {
  if (budget->per_ms > 0) budget->tokens -= tokens;
}
