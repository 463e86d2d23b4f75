-- 2, a gateway: readings from a pipe, a queue on disk, QoS 1 and 2. The network is away, the process is killed and
-- started again while it is, and the disk is full for a while. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local program = require "spec.support.program"
local tree = require "spec.support.tree"

-- The sensor: numbered lines into a pipe, from a number on, so many seconds apart.
local SENSOR = "exec > %s; n=%d; while echo $n; do n=$((n+1)); sleep %g; done"

local GATEWAY = [[
local holdfast = require "holdfast"

local client = assert(holdfast.new { server = arg[1], client_id = "gateway", queue = { store = arg[2] } })
client:on("ready", print)
client:start()
holdfast.run(function()
  for reading in io.stdin:lines() do
    local id, problem, code = client:post("readings", reading, { qos = tonumber(arg[3]) })
    print(id and "took" or "refused " .. code, reading, problem)
    holdfast.sleep(0)
  end
end)
]]

local RATE = program.size(0.01, 0.02) -- seconds between two readings
local AWAY = program.size(0.5, 100) -- seconds of each of the lives without a network
local KILLS = 5

-- A small disk of its own, in a mount namespace that this holds open for those who go in there.
local DISK = 'mount -t tmpfs -o size=$1 tmpfs "$0" && echo ready && exec sleep 1000'

local function new_disk(folder)
  assert(os.execute(("mkdir %s/disk"):format(folder)))
  local pid = assert(process.spawn({ "unshare", "--mount", "sh", "-c", DISK, folder .. "/disk",
    program.size("4m", "64m") }, folder .. "/mounted"))
  local deadline = core.now() + 5
  while tree.command("cat " .. folder .. "/mounted")[1] ~= "ready" do
    if process.wait(pid) or core.now() > deadline then
      return nil
    end
    holdfast.sleep(0.01)
  end
  return { "nsenter", "--mount", "--wd", "--target", tostring(pid) }, pid
end

describe("a gateway #broker", function()
  local folder, disk

  before_each(function()
    folder = process.temporary_folder()
  end)

  after_each(function()
    program.finish()
    if disk then
      process.kill(disk, "KILL")
      process.wait(disk, 5000)
      disk = nil
    end
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function gateway(transport, protocol, host, qos)
    local inside
    inside, disk = new_disk(folder)
    if not inside then
      return nil
    end
    local enter = table.concat(inside, " ") .. " "
    local broker = mosquitto.start { persistent = "each second", quiet = true,
      lines = { "max_inflight_messages 10000", "max_queued_messages 0" } }
    local address = "mqtt://127.0.0.1:" .. broker.port
    local account = accounts.new()
    local world = holdfast.new { server = address, client_id = "world", inbox = { messages = 100000 },
      backoff = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" }, stable_after = 0 }
    world:subscribe("readings", { qos = 2, ordered = true }, function(message)
      account:arrived("readings", tonumber(message.payload))
    end)
    assert(world:connect(10))

    local one, first = nil, 1
    local function begin()
      local pipe = ("%s/pipe%d"):format(folder, first)
      assert(os.execute("mkfifo " .. pipe))
      process.spawn { "sh", "-c", SENSOR:format(pipe, first, RATE) } -- ends with who reads it
      one = account:watch(program.start { code = GATEWAY, transport = transport, protocol = protocol, input = pipe,
        host = host, before = inside, arguments = { address, folder .. "/disk/queue", qos } })
    end
    local function look()
      for _, line in ipairs(one:news()) do
        local word, number = line:match "^(%a+)[^\t]*\t(%d+)"
        if word == "took" then
          account:posted("readings", tonumber(number))
        elseif word == "refused" then
          account:refused("readings", tonumber(number))
        end
        first = math.max(first, (tonumber(number) or 0) + 1)
      end
    end
    local function live(seconds)
      local deadline = core.now() + seconds
      while core.now() < deadline do
        look()
        holdfast.sleep(0.02)
      end
    end

    begin()
    one:await "^ready"
    live(AWAY)
    account:weigh(one.pid)
    broker:stop() -- no network
    for kill = 1, KILLS do
      live(AWAY * (0.5 + math.random() / 2))
      if kill == 3 then
        one:await("^took", 20)
        os.execute(("%sdd if=/dev/zero of=%s/disk/full bs=4k 2>/dev/null"):format(enter, folder))
        live(AWAY)
        one:await("^refused", 20)
        assert(os.execute(("%srm %s/disk/full"):format(enter, folder)))
        live(AWAY)
      end
      one:signal("KILL"):ended(5)
      look()
      first = first + 1 -- it may have been taken, and not said
      begin()
    end
    live(AWAY)
    broker:restart()
    one:await("^ready", 60)
    live(AWAY)
    account:weigh(one.pid)
    look()
    account:await("arrived", account:count "posted", 20)
    account.programs = {}
    world:close(1)
    return account
  end

  program.everywhere(2, function(transport, protocol, host)
    for qos = 1, 2 do
      if program.is_soak or protocol == (transport == "native" and 3 + qos or qos * 2) then
        local way = program.way(transport, protocol, host)
        it(("delivers what it took, in order: QoS %d, %s"):format(qos, way), function()
          local account = holdfast.run(gateway, transport, protocol, host, qos)
          if not account then
            pending "no mount namespace to be had, for a disk that is full"
            return
          end
          account:close { refused = { 1 }, invented = { 0, KILLS }, threads = { -1, 1 },
            doubled = qos == 1 and { 0 } or 0, gap = { 0, AWAY * (KILLS + 3) + 30 } }
        end)
      end
    end
  end)
end)
