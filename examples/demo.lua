--- A subscriber that outlives its broker, to look at: `make demo`.
-- The broker is not there at first, is killed twice (SIGKILL) and comes back twice; its database survives, as it does
-- when a real one crashes. From the first subscription on, a second process publishes numbered messages at QoS 1; at
-- the end every number must have arrived.
package.path = "examples/?.lua;" .. package.path

local holdfast = require "holdfast"
local broker = require "demo.broker"
local tally = require "demo.tally"
local view = require "demo.view"

local FOLDER = assert(os.getenv "DEMO_FOLDER", "start me by examples/demo.sh, or `make demo`")
local PUBLISH_FOR = 24 -- seconds; the rest is for what then waits in the publisher's queue
local GIVE_UP = 37

local client = holdfast.new {
  server = "mqtt://127.0.0.1:" .. broker.choose_port(FOLDER),
  backoff = { strategy = "exponential", min = 0.5, max = 4, jitter = "full" },
}

-- Wishes: made once, before there is a connection, and kept through every outage.
local ticks = client:subscribe("demo/ticks", { qos = 1 })
client:subscribe("demo/+/status", { qos = 1 })

local count = tally.new()
local was_ready = false

local function again(event)
  return event.retry_in and string.format(", again in %.1f s", event.retry_in) or ""
end

local tell = {
  connecting = function(event)
    return string.format("attempt %d", event.attempt)
  end,
  connected = function(event)
    return event.session_present and "the broker kept our session" or "a new session"
  end,
  ready = function(event)
    local since = was_ready and "the loss" or "the start"
    was_ready = true
    return string.format("%d subscriptions in force, %.1f s after %s", event.subscriptions, event.downtime, since)
  end,
  failed = function(event)
    return event.reason.name .. again(event)
  end,
  lost = function(event)
    return string.format("%s after %.1f s%s", event.reason.name, event.uptime, again(event))
  end,
}

local function script()
  local function at(seconds, what, ...)
    holdfast.sleep(math.max(0, seconds - view.elapsed()))
    view.event("broker", what(...))
  end
  at(2, broker.start)
  at(7, broker.kill)
  at(9, broker.start)
  at(14, broker.kill)
  at(22, broker.start)
end

local function receive()
  for message in ticks:messages() do
    count:take(message.payload)
    if count:complete() then
      return
    end
  end
end

local complete = holdfast.run(function()
  for name, describe in pairs(tell) do
    client:on(name, function(event)
      view.event(name, describe(event))
    end)
  end
  view.start(client, count)
  client:once("ready", function()
    broker.publisher(FOLDER, client:status().server, PUBLISH_FOR)
  end)
  client:start()
  holdfast.spawn(script)
  holdfast.spawn(receive)

  while not count:complete() and view.elapsed() < GIVE_UP do
    holdfast.sleep(0.1)
    count:look(FOLDER)
    view.draw()
  end
  view.finish()
  client:close(1)
  return count:complete()
end)

print(count:summary())
os.exit(complete and count:lost() == 0)
