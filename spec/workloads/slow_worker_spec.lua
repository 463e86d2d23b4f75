-- 10, a slow worker: a handler takes its time (a database), `ordered`, QoS 1; a backlog waits for it, and it is killed
-- at any moment and started again. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local processor = require "spec.support.processor"
local program = require "spec.support.program"

local WORKER = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "worker", inbox = { messages = tonumber(arg[3]) } }
client:on("ready", print)
client:subscribe("jobs", { qos = 1, ordered = true }, function(message)
  print("begun " .. message.payload .. " " .. client:status().inbox.messages .. " waiting")
  holdfast.sleep(tonumber(arg[2])) -- a database
  print("done " .. message.payload)
end)
client:start()
holdfast.run(function()
  client:wait "closed"
end)
]]

-- Over native a worker is as slow against the machine as a database is; over Paho it has more than fills its inbox.
local SMALL = {
  native = { jobs = 150, takes = 0.02, inbox = 100 }, paho = { jobs = 1500, takes = 0.002, inbox = 1000 },
}
local WHOLE = { jobs = 5000, takes = 0.2, inbox = 1000 }
local KILLS = program.size(4, 20)

describe("a slow worker #broker", function()
  after_each(function()
    program.finish()
    mosquitto.finish()
  end)

  local function size_for(transport)
    return program.size(SMALL[transport], WHOLE)
  end

  local function worker(transport, protocol, host, kills)
    local size = size_for(transport)
    local broker = mosquitto.start { quiet = true, lines = { "max_inflight_messages 0", "max_queued_messages 0" } }
    local address = "mqtt://127.0.0.1:" .. broker.port
    local account = accounts.new()
    local start = { code = WORKER, transport = transport, protocol = protocol, host = host,
      arguments = { address, size.takes, size.inbox } }
    local kept = 0 -- jobs that were begun while the thread that says so to the broker waited for a processor
    -- It stands still until the broker has read what it had written: that would be thrown away at the first error.
    local function kill(one)
      one:signal "STOP"
      local deadline = core.now() + 10
      repeat
        assert(core.now() < deadline, "it goes on, or the broker does not read")
        holdfast.sleep(0.01)
      until processor.is_stopped(one.pid) and broker:has_read()
      if one.waited then
        kept = kept + math.min(math.floor((processor.waited(one.pid, one.thread) - one.waited) / size.takes), one.begun)
      end
      one:signal("KILL"):ended(5)
    end
    kill(program.start(start):await "^ready")

    local world = holdfast.new { server = address }
    assert(world:connect(10))
    for number = 1, size.jobs do
      assert(world:post("jobs", tostring(number), { qos = 1 }))
      account:posted("jobs", number)
    end
    while world:status().queued.messages > 0 do
      holdfast.sleep(0.01)
    end

    local one, beginnings, disorder, inbox, handled = nil, 0, 0, nil, nil
    local function look()
      for _, line in ipairs(one:news()) do
        local word, number, waiting = line:match "^(%a+) (%d+) ?(%d*)"
        number = tonumber(number)
        if word == "begun" then
          beginnings = beginnings + 1
          disorder = disorder + (number < one.newest and 1 or 0)
          one.newest, one.begun = number, one.begun + 1
          one.inbox = tonumber(waiting)
          account:arrived("jobs", number)
        elseif word == "done" then
          account:handled("jobs", number)
        end
      end
      if one.begun > 0 and one.pid then
        one.thread = one.thread or processor.thread(one.pid, "holdfast")
        one.waited = processor.waited(one.pid, one.thread)
      end
    end
    local function begin()
      one = account:watch(program.start(start))
      one.newest, one.begun = 0, 0
    end

    -- Until so many are handled, or nothing happens any more.
    local function work_until(count)
      local latest, before = core.now(), beginnings -- what is repeated is no new one, but something happens
      while account:count "handled" < count and core.now() < latest + 2 + 10 * size.takes do
        look()
        if beginnings > before then
          latest, before = core.now(), beginnings
        end
        holdfast.sleep(math.random() * 0.01)
      end
    end

    begin()
    for number = 1, kills do
      work_until(account:count "handled" + size.jobs / (KILLS + 3))
      account:note("kill %d after %d handled", number, account:count "handled")
      kill(one)
      look()
      inbox, handled = inbox or one.inbox, handled or account:count "handled"
      begin()
    end
    work_until(size.jobs)
    account.programs = {} -- they have said too much
    account:note("%d beginnings, %d out of order within one life; %d waited in the inbox at the first kill; " ..
      "%d were begun while the machine kept a thread waiting", beginnings, disorder, inbox, kept)
    world:close(1)
    return account, beginnings - kept, disorder, inbox, handled
  end

  program.everywhere(10, function(transport, protocol, host)
    local way = program.way(transport, protocol, host)
    if transport == "native" then
      -- By default a handler that has begun may be acknowledged; what has not begun is the broker's still.
      it("loses none, in order, and repeats the unfinished alone: " .. way, function()
        holdfast.run(function()
          local account, beginnings, disorder = worker(transport, protocol, host, KILLS)
          account:must { lost = 0, invented = 0, unhandled = { 0, KILLS } }
          assert(disorder == 0, account:words())
          assert(beginnings <= size_for(transport).jobs + 2 * KILLS, account:words())
        end)
      end)
    elseif program.is_soak or protocol == 5 then
      -- Paho acknowledges as messages arrive: what the inbox held at the kill is lost with it, and what had begun. It
      -- holds more than its bound: what Paho has read until the client has left: docs/transports/paho.md. A broker that
      -- was busy sending may have read no acknowledgement by then: it sends all again, what was handled, too.
      it("loses no more than what its inbox held: " .. way, function()
        holdfast.run(function()
          local account, _, _, inbox, handled = worker(transport, protocol, host, 1)
          local has_acknowledged = account:report().doubled < handled
          account:must { invented = 0, lost = { has_acknowledged and 1 or 0, inbox + 1 } }
        end)
      end)
    end
  end)
end)
