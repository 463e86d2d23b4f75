-- 2,000 clients that wait for 10 s, 45 s and 300 s at most, after an outage of two minutes, for docs/backoff.md.
return {
  clients = 2000, accept_rate = 400, outage = 120,
  policies = {
    { name = "max = 10", backoff = { max = 10 } },
    { name = "max = 45, the default", backoff = { max = 45 } },
    { name = "max = 300", backoff = { max = 300 } },
  },
}
