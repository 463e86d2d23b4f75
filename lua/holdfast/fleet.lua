--- What a reconnect policy does to a fleet and to the broker it shares, before it is deployed.
-- The engine and the backoff are those that clients run, in C, one for each simulated client; the broker is a model:
--
-- * it works on one handshake after the other, `accept_rate` a second; up to `accept_queue` wait or are worked on, a
--   SYN beyond those is lost, and its client learns it by its `connect_timeout` only (with `resend` the SYN is sent
--   again after 1, 3, 7 ... s, as kernels do: RFC 6298);
-- * a handshake whose client has given up costs as much work as any other;
-- * while it is down it refuses at once or is silent;
-- * above `busy_above` arrivals a second (one second's worth may be saved up) it answers `busy_code`, which costs it
--   nothing;
-- * for `drop_for` seconds after its return it drops each client `drop_after` seconds after it has accepted it.
--
-- It knows no TLS apart from what `accept_rate` and `latency` make of it, no bandwidth, no lost packets but the SYNs
-- above, no clients that come for the first time, and no work but handshakes: subscriptions and queued messages are on
-- top. The answer to an attempt takes twice the `latency`, and never less than a millisecond.
-- @module holdfast.fleet
local core = require "holdfast.core"
local model = require "holdfast.fleet.model"

local fleet = {}

local SLICE = 1000 -- ms of simulated time between two calls of `progress`

local function simulate(values)
  local simulation = core.fleet.new(model.settings(values), values.fleet.seed)
  if not simulation then
    return nil, "not enough memory for " .. values.fleet.clients .. " clients", "out_of_memory"
  end
  local size = simulation:size()
  local progress, clients = values.fleet.progress, values.fleet.clients
  local now = 0
  repeat
    now = now + SLICE
    local over = simulation:run(now)
    if progress then
      local at, connected = simulation:progress()
      progress(at / 1000, connected / clients)
    end
  until over
  return simulation:result(), size
end

local function seconds(time)
  return time and time / 1000
end

--- Simulates one outage.
-- Its options are any of a client that the engine knows (`backoff`, `policy`, `connect_timeout`, `stable_after`,
-- `max_attempts`, `sleep_for`), and
--
-- * of the fleet: `clients` (100,000), `seed` (1), `latency` (0 s, one way), `stagger` (0 s over which the clients come
--   to know of the loss), `restart_share` (0 .. 1 of the clients restart once, within `restart_within` seconds of the
--   outage's beginning, by default during it), `attempts_per_second` and `burst` of @{holdfast.limit} for processes of
--   `clients_per_process` (1), `resend` (false), `horizon` (s, the end if not all are connected before);
-- * of the broker: `accept_rate` (1,000 a second), `accept_queue` (1,000), `outage_at` (0 s), `outage` (60 s),
--   `while_down` ("refused", or "silent"), `drop_for` (0 s), `drop_after` (1 s), `busy_above` (0: never), `busy_code`
--   (0x89; 0x88, 0x9F);
-- * `servers`, a list of such brokers in the clients' order of preference; what one does not say is as above;
-- * `progress`, a function(now, share connected), called once a simulated second.
--
-- The result has
--
-- * `series`: arrays `attempts` (begun), `refused`, `connected`, `queue`, one number a second, the first from the
--   beginning of the simulation (`back` is the second at which the first server returns);
-- * `t50`, `t99`, `t100`: seconds after that return from which on so many percent are connected, below 0 if that was
--   before it, 0 at the latest if they never were lost; nil: never;
-- * `ideal`: seconds the brokers need at least, clients / accept_rate; `ratio`: t99 / (0.99 ideal);
-- * `attempts_per_client` after the return, `attempts_before` it; `peak_over_rate`: most attempts in a second after it
--   over accept_rate; `wasted_per_client`: handshakes worked on in vain, for who had given up or was dropped again;
-- * `downtime_mean`, `downtime_p99`: seconds that a client was not connected;
-- * `clients`, `connected` (at the end), `back`, `duration` (simulated seconds), `bytes_per_client`.
-- @tparam table options as above
-- @treturn ?table the result, or nil
-- @treturn ?string message
-- @treturn ?string code: "out_of_memory"
-- @raise when an option is wrong, naming it
-- @usage
-- local result = holdfast.fleet.run { clients = 20000, accept_rate = 400, outage = 30, backoff = { max = 90 } }
-- print(result.t99, result.ratio, result.attempts_per_client)
function fleet.run(options)
  local values, problem = model.check(options)
  if not values then
    error("fleet.run: " .. problem, 2)
  end
  local found, size, code = simulate(values)
  if not found then
    return nil, size, code
  end
  local clients, ideal = values.fleet.clients, values.ideal
  local t99 = seconds(found.t99)
  return {
    series = found.series,
    t50 = seconds(found.t50),
    t99 = t99,
    t100 = seconds(found.t100),
    ideal = ideal,
    ratio = t99 and t99 / (0.99 * ideal),
    attempts_per_client = found.attempts_back / clients,
    attempts_before = (found.attempts - found.attempts_back) / clients,
    peak_over_rate = found.peak / values.rate,
    wasted_per_client = found.wasted / clients,
    downtime_mean = found.downtime_sum / clients / 1000,
    downtime_p99 = found.downtime_p99 / 1000,
    clients = clients,
    connected = found.connected,
    back = values.back,
    duration = found.now / 1000,
    bytes_per_client = size / clients,
  }
end

return fleet
