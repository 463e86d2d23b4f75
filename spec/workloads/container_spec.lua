-- 13, a container: uid 1000, PID 1, a read-only root without /tmp, /dev/shm and HOME, no capability to write anywhere,
-- 32 MB. An orchestrator replaces the broker behind a proxy again and again, which takes connections all the while and
-- shuts those for which it has no broker, and stops the program with SIGTERM and 3 s of grace. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local hosts = require "spec.support.hosts"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local program = require "spec.support.program"
local weathers = require "weather_probe"

-- The program is PID 1 of its namespace, where a signal without a handler does nothing: SIGTERM is what `docker stop`
-- sends. Lua has no handlers, luv has; who has no luv is told to leave by a message.
local SERVICE = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "service",
  stable_after = tonumber(arg[2]), -- shorter than a broker stays: docs/reference/options.md
  will = { topic = "presence", payload = "crashed", qos = 1 } }
client:on("ready", print)
local stop = client:subscribe("stop", { qos = 1 })
local is_stopped = false
if arg[3] == "signal" then
  local term = require("luv").new_signal()
  term:start("sigterm", function()
    is_stopped = true
    term:close()
  end)
end
holdfast.run(function()
  assert(client:connect(10))
  local number = 0
  repeat
    number = number + 1
    client:post("beats", tostring(number), { qos = 1 })
    local message = stop:receive(0.05)
  until message or is_stopped
  client:publish("presence", "left", { qos = 1 })
  print("closed", number, client:close(3))
end)
]]

local ROLLS = program.size(3, 10)
local STABLE_AFTER = program.size(0.5, 5)
local CALM = program.size(1, 10)
local GRACE = 3 -- seconds
local MEMORY = 32 * 1024 -- KiB

-- Read-only everything, nothing writable but what the harness writes to by an open descriptor.
local SHUT = [[
mount --make-rprivate / && mount -o remount,bind,ro / && mount -t tmpfs -o ro tmpfs /dev/shm && \
mount -t tmpfs -o ro tmpfs /var/tmp && exec setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set -all \
env -u HOME TMPDIR=/nonexistent "$@"
]]

-- The last of a row of processes of which each has started the next.
local function last_of(pid)
  local file = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
  local child = file and file:read "*n"
  return child and last_of(child) or pid, file and file:close()
end

describe("a container #broker", function()
  local front

  after_each(function()
    program.finish()
    if front then
      front:close()
      front = nil
    end
    mosquitto.finish()
  end)

  local function service(transport, protocol, host, by_signal)
    local broker = mosquitto.start { persistent = true, lines = { "max_inflight_messages 0" } }
    local port
    front, port = weathers.start(broker.port)
    local account = accounts.new()
    local world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "world", stable_after = 0,
      backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" } }
    local presence = {}
    world:subscribe("beats", { qos = 1 }, function(message)
      account:arrived("beats", tonumber(message.payload))
    end)
    world:subscribe("presence", { qos = 1 }, function(message)
      presence[#presence + 1] = message.payload
    end)
    assert(world:connect(10))

    local one = account:watch(program.start { code = SERVICE, transport = transport, protocol = protocol,
      before = { "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SHUT, "sh" },
      host = host, arguments = { "mqtt://127.0.0.1:" .. port, STABLE_AFTER, by_signal and "signal" or "message" } })
    local deadline = core.now() + 10
    while one:count "^ready" == 0 do
      if one:words():find "unshare failed" or one:words():find "mount:" or one:words():find "setpriv:" then
        return nil, one:words()
      end
      assert(core.now() < deadline, account:words())
      holdfast.sleep(0.02)
    end
    local worst, pid = 0, last_of(one.pid)
    account:weigh(pid)
    for roll = 1, ROLLS do
      holdfast.sleep(CALM)
      broker:stop()
      holdfast.sleep(0.2)
      broker:restart()
      local before = core.now()
      one:await("^ready", 10, roll + 1)
      worst = math.max(worst, core.now() - before)
    end
    holdfast.sleep(0.3)
    local memory = account:weigh(pid).memory
    if by_signal then
      process.kill(pid, "TERM")
    else
      assert(world:publish("stop", "now", { qos = 1, timeout = 5 }))
    end
    local how, seconds = one:ended(GRACE + 2)
    holdfast.sleep(0.3)
    local last = tonumber(one:words():match "closed\t(%d+)\ttrue")
    for number = 1, last or 0 do
      account:posted("beats", number)
    end
    account:note("it ended with %s after %.1f s, with %d KiB; the slowest return took %.2f s; presence: %s",
      tostring(how), seconds or -1, memory, worst, table.concat(presence, ", "))
    world:close(1)
    return account, how, worst, presence, last and seconds < GRACE and memory < MEMORY
  end

  program.everywhere(13, function(transport, protocol, host)
    for _, by_signal in ipairs { true, false } do
      local words = ("comes back to each new broker, and leaves in peace by a %s: %s"):format(
        by_signal and "signal" or "message", program.way(transport, protocol, host))
      local is_small = (transport == "native") == by_signal and (protocol == 5) == by_signal
      if host and program.is_soak and not by_signal or not host and (program.is_soak or is_small) then
        it(words, function()
          local missing = by_signal and hosts.missing "luv"
          if missing then
            pending(missing)
            return
          end
          local account, how, worst, presence, in_bounds = holdfast.run(service, transport, protocol,
            by_signal and "luv" or host, by_signal)
          if not account then
            pending("no such container to be had: " .. how)
            return
          end
          account:close { doubled = { 0 }, gap = { 0, 10 } }
          assert(how == "exited 0" and in_bounds and worst < 3.5, account:words())
          assert.are.equal("left", presence[#presence], account:words()) -- the will came as brokers went
        end)
      end
    end
  end)
end)
