-- 13, a container: uid 1000, PID 1, a read-only root without /tmp, /dev/shm and HOME, no capability to write anywhere.
-- An orchestrator replaces the broker behind one address again and again, and stops the program with SIGTERM and 3 s of
-- grace. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local program = require "spec.support.program"

-- The program is PID 1 of its namespace, where a signal without a handler does nothing: SIGTERM is what `docker stop`
-- sends, and it has none, so that it is told to leave by a message as well.
local SERVICE = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "service",
  stable_after = tonumber(arg[2]), -- shorter than a broker stays: README
  will = { topic = "presence", payload = "crashed", qos = 1 } }
client:on("ready", print)
local stop = client:subscribe("stop", { qos = 1 })
holdfast.run(function()
  assert(client:connect(10))
  local number = 0
  repeat
    number = number + 1
    client:post("beats", tostring(number), { qos = 1 })
    local message = stop:receive(0.05)
  until message
  client:publish("presence", "left", { qos = 1 })
  print("closed", client:close(3))
end)
]]

local ROLLS = program.size(3, 10)
local STABLE_AFTER = program.size(0.5, 5)
local CALM = program.size(1, 10)

-- Read-only everything, nothing writable but what the harness writes to by an open descriptor.
local SHUT = [[
mount --make-rprivate / && mount -o remount,bind,ro / && mount -t tmpfs -o ro tmpfs /dev/shm && \
mount -t tmpfs -o ro tmpfs /var/tmp && exec setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set -all \
env -u HOME TMPDIR=/nonexistent "$@"
]]

describe("a container #broker", function()
  after_each(function()
    program.finish()
    mosquitto.finish()
  end)

  local function service(transport, protocol)
    local broker = mosquitto.start { persistent = true, lines = { "max_inflight_messages 0" } }
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
      arguments = { "mqtt://127.0.0.1:" .. broker.port, STABLE_AFTER } })
    local deadline = core.now() + 10
    while one:count "^ready" == 0 do
      if one:words():find "unshare failed" or one:words():find "mount:" or one:words():find "setpriv:" then
        return nil, one:words()
      end
      assert(core.now() < deadline, account:words())
      holdfast.sleep(0.02)
    end
    local worst = 0
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
    assert(world:publish("stop", "now", { qos = 1, timeout = 5 }))
    local how, seconds = one:ended(5)
    holdfast.sleep(0.3)
    account:note("it ended with %s after %.1f s; the slowest return took %.2f s; presence: %s", tostring(how),
      seconds or -1, worst, table.concat(presence, ", "))
    world:close(1)
    return account, how, worst, presence
  end

  program.each(function(transport, protocol)
    if program.is_soak or (transport == "native") == (protocol == 5) then
      it(("comes back to each new broker, and leaves in peace: protocol %d, %s"):format(protocol, transport), function()
        local account, how, worst, presence = holdfast.run(service, transport, protocol)
        if not account then
          pending("no such container to be had: " .. how)
        end
        local seen = account:report()
        account:must { disorder = 0 }
        assert(account:highest "beats" == seen.arrived, account:words()) -- none is missing between
        assert(how == "exited 0" and worst < 3.5, account:words())
        assert.are.equal("left", presence[#presence], account:words()) -- the will came as brokers went
      end)
    end
  end)
end)
