-- 12, a traveller: a laptop that sleeps for an hour, changes from one network to another, sits behind a captive portal
-- and has its names looked up by a liar, while it sends and hears at QoS 2. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local program = require "spec.support.program"
local radio = require "spec.support.radio"

local LAPTOP = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "laptop", keep_alive = tonumber(arg[2]),
  backoff = { min = 0.1, max = tonumber(arg[3]) } }
for _, event in ipairs { "ready", "lost", "failed", "sleeping" } do
  client:on(event, print)
end
client:subscribe("down", { qos = 2, ordered = true }, function(message)
  print("heard", message.payload)
end)
client:start()
holdfast.run(function()
  local number = 0
  while true do
    number = number + 1
    if client:post("up", tostring(number), { qos = 2 }) then
      print("took", number)
    end
    holdfast.sleep(tonumber(arg[4]))
  end
end)
]]

local KEEP_ALIVE = program.size(1, 20)
local STEP = program.size(0.5, 30) -- seconds of the longest wait
local EACH = program.size(0.05, 0.5) -- seconds between two messages, each way
local WHILE = program.size(0.4, 60) -- seconds of trouble
local CONNECTS = 2.5 -- seconds that it may take to connect, subscribe and say so
local NOTICED = { native = 1.5, paho = 3 } -- keep alives until a dead connection is known

describe("a traveller #broker", function()
  local air, folder, portal

  before_each(function()
    folder = process.temporary_folder()
  end)

  after_each(function()
    program.finish()
    mosquitto.finish()
    if portal then
      process.kill(portal, "KILL")
      process.wait(portal, 5000)
      portal = nil
    end
    if air then
      air:finish()
      air = nil
    end
    process.remove_folder(folder)
  end)

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "r+b") or io.open(folder .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end

  local function tell_name(address)
    local file = assert(io.open(folder .. "/told", "wb"))
    file:write(address)
    file:close()
  end

  local function travel(transport, protocol, host)
    local port, portal_port = process.free_port(), process.free_port()
    local broker = mosquitto.start { quiet = true,
      lines = { "max_inflight_messages 0", "max_queued_messages 0", ("listener %d %s"):format(port, radio.HERE) } }
    portal = assert(process.spawn { os.getenv "LUA", "spec/support/portal_child.lua", tostring(portal_port) })
    write("slept", ("\0"):rep(8))
    tell_name(radio.HERE)

    local account = accounts.new()
    local world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "world" }
    world:subscribe("up", { qos = 2, ordered = true }, function(message)
      account:arrived("up", tonumber(message.payload))
    end)
    assert(world:connect(10))

    local spec = os.getenv "LUA_CPATH" or os.getenv "LUA_CPATH_5_4"
    local before = { (table.unpack or unpack)(air.before) }
    for _, word in ipairs { "env", "CLOCK_PROBE_SLEPT=" .. folder .. "/slept", "NAMES_PROBE_TOLD=" .. folder .. "/told",
      ("LD_PRELOAD=%s %s"):format(package.searchpath("clock_probe", spec), package.searchpath("names_probe", spec)) } do
      before[#before + 1] = word
    end
    local one = account:watch(program.start { code = LAPTOP, transport = transport, protocol = protocol, host = host,
      before = before, arguments = { "mqtt://told.example:" .. port, KEEP_ALIVE, STEP, EACH } })
    one:await("^ready", 10)
    account:weigh(one.pid)

    local going, number = true, 0
    local function look()
      for _, line in ipairs(one:news()) do
        local what, which = line:match "^(%l+)\t(%d+)$"
        if what == "took" then
          account:posted("up", tonumber(which))
        elseif what == "heard" then
          account:arrived("down", tonumber(which))
        end
      end
    end
    holdfast.spawn(function()
      while going do
        number = number + 1
        if world:post("down", tostring(number), { qos = 2 }) then
          account:posted("down", number)
        end
        look()
        holdfast.sleep(EACH)
      end
    end)

    -- What goes wrong, and is right again when it returns; then there must be a `ready` that was not there before.
    local function trouble(name, allowed, fn)
      local readies = one:count "^ready"
      fn()
      local right = core.now()
      while one:count "^ready" == readies do
        assert(core.now() < right + allowed + 10, ("not back after %s\n%s"):format(name, account:words()))
        holdfast.sleep(0.01)
      end
      local took = core.now() - right
      account:note("%s: back after %.2f s, of %.2f that it may", name, took, allowed)
      assert(took < allowed, account:words())
      holdfast.sleep(0.2)
    end

    local notices = NOTICED[transport] * KEEP_ALIVE
    trouble("an hour of sleep", notices + STEP + CONNECTS, function()
      one:signal "STOP"
      air:down()
      holdfast.sleep(WHILE)
      write("slept", "\16\14\0\0\0\0\0\0") -- 3600
      air:move()
      one:signal "CONT"
    end)
    trouble("another network", notices + STEP + CONNECTS, function()
      air:move()
    end)
    local losses
    local function until_lost()
      local deadline = core.now() + notices + 5
      while one:count "^lost" == losses do
        assert(core.now() < deadline, account:words())
        holdfast.sleep(0.01)
      end
      holdfast.sleep(WHILE)
    end
    trouble("a captive portal", STEP + CONNECTS, function()
      losses = one:count "^lost"
      air:capture(portal_port):move()
      until_lost()
      air:release()
    end)
    trouble("a name server that lies", STEP + CONNECTS, function()
      losses = one:count "^lost"
      tell_name(radio.ELSEWHERE)
      air:move()
      until_lost()
      tell_name ""
      holdfast.sleep(WHILE)
      tell_name(radio.HERE)
    end)

    going = false
    local deadline = core.now() + 20
    repeat -- what it posts goes on, and the newest of it are on their way
      holdfast.sleep(EACH)
      look()
    until account:report().lost <= 3 or core.now() > deadline
    account:weigh(one.pid)
    one:signal "TERM"
    one:ended(5)
    look()
    world:close(1)
    return account, one
  end

  -- In the specs' run our own transport on each Lua, and Paho on one.
  local is_small = { ["native 5"] = true, ["paho 4"] = not jit }

  program.everywhere(12, function(transport, protocol, host)
    if program.is_soak or not host and is_small[transport .. " " .. protocol] then
      it("is back as soon as the network is, and nothing is doubled: " .. program.way(transport, protocol, host),
        function()
          local why
          air, why = radio.start()
          if not air then
            pending("no network of its own to be had: " .. why)
            return
          end
          holdfast.run(function()
            local account, one = travel(transport, protocol, host)
            account:close { lost = { 0, 4 }, gap = { 0, 2 * WHILE + NOTICED[transport] * KEEP_ALIVE + STEP + 10 } }
            assert(one:count "^sleeping" == 0, account:words())
          end)
        end)
    end
  end)
end)
