-- 20,000 clients with and without jitter, for docs/backoff.md.
return {
  clients = 20000, accept_rate = 400, outage = 30,
  policies = {
    { name = "no jitter", backoff = { jitter = "none" } },
    { name = "equal jitter", backoff = { jitter = "equal" } },
    { name = "full jitter, the default", backoff = { jitter = "full" } },
  },
}
