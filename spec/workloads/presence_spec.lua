-- 11, presence: a retained `online`, a will `offline`. However the program ends, who looks sees the truth: a bug,
-- Ctrl-C, SIGTERM, SIGKILL, a cut network, a clean end, a handler of SIGTERM of its own. #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local hosts = require "spec.support.hosts"
local mosquitto = require "spec.support.mosquitto"
local program = require "spec.support.program"
local weathers = require "weather_probe"

local KEEP_ALIVE = program.size(2, 20)

local PRESENCE = [[
local holdfast = require "holdfast"

local client = holdfast.new { server = arg[1], client_id = "kitchen", keep_alive = tonumber(arg[2]),
  will = { topic = "presence/kitchen", payload = "offline", qos = 1, retain = true } }
client:on("ready", function()
  client:publish("presence/kitchen", "online", { qos = 1, retain = true })
  print "online"
end)
client:start()
]]

local ENDS = {
  ["a bug"] = { code = "holdfast.run(function() holdfast.sleep(1) error 'a bug' end)" },
  ["the end of the script"] = { code = "holdfast.run(function() holdfast.sleep(1) end)" },
  ["os.exit"] = { code = "holdfast.run(function() holdfast.sleep(1) os.exit(3) end)" },
  ["Ctrl-C"] = { code = "holdfast.run(function() client:wait 'closed' end)", signal = "INT" },
  ["SIGTERM"] = { code = "holdfast.run(function() client:wait 'closed' end)", signal = "TERM" },
  ["SIGKILL"] = { code = "holdfast.run(function() client:wait 'closed' end)", signal = "KILL" },
  ["a cut network"] = { code = "holdfast.run(function() client:wait 'closed' end)", is_cut = true },
}

local CLEAN = [[
holdfast.run(function()
  holdfast.sleep(1)
  client:publish("presence/kitchen", "gone home", { qos = 1, retain = true })
  client:close(5)
end)
]]

-- A handler of SIGTERM, where a program has a loop that knows signals.
local LEAVES = {
  luv = [[
local luv = require "luv"
local term = luv.new_signal()
term:start("sigterm", function()
  term:close()
  holdfast.spawn(function()
    client:publish("presence/kitchen", "gone home", { qos = 1, retain = true })
    client:close(3)
  end)
end)
holdfast.run(function() client:wait "closed" end)
]],
  cqueues = [[
local signal = require "cqueues.signal"
signal.block(signal.SIGTERM)
local term = signal.listen(signal.SIGTERM)
holdfast.run(function()
  client:ready()
  term:wait()
  client:publish("presence/kitchen", "gone home", { qos = 1, retain = true })
  client:close(3)
end)
]],
}

describe("presence #broker", function()
  local weather

  after_each(function()
    program.finish()
    if weather then
      weather:close()
      weather = nil
    end
    mosquitto.finish()
  end)

  -- What is seen, each with its time.
  local function begin(transport, protocol, code, host)
    local broker = mosquitto.start()
    local port
    weather, port = weathers.start(broker.port)
    local seen, account = {}, accounts.new()
    local world = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    world:subscribe("presence/kitchen", { qos = 1 }, function(message)
      seen[#seen + 1] = message.payload
      account:arrived("presence", #seen)
    end)
    assert(world:connect(10))
    local one = account:watch(program.start { code = PRESENCE .. code, transport = transport, protocol = protocol,
      arguments = { "mqtt://127.0.0.1:" .. port, KEEP_ALIVE }, host = host }):await "^online"
    account:posted("presence", 1)
    account:posted("presence", 2)
    return one, seen, world, account
  end

  -- Each change was seen once; a keep alive and what mosquitto takes to look for the silent may be between two.
  local function close(account)
    account:close { gap = { 0, 1.5 * KEEP_ALIVE + 10 }, weighed = false }
  end

  local function await(seen, payload, seconds)
    local deadline = core.now() + seconds
    while seen[#seen] ~= payload do
      assert(core.now() < deadline, ("%s is not seen within %g s, but %s"):format(payload, seconds,
        table.concat(seen, ", ")))
      holdfast.sleep(0.01)
    end
  end

  program.everywhere(11, function(transport, protocol, host)
    for how, ending in pairs(ENDS) do
      -- luv and LuaSocket's select wait on after Ctrl-C, until there is something for Lua to do.
      local place = host or program.host
      local waits_on = ending.signal == "INT" and (place == "luv" or place == "copas")
      if not waits_on and (program.is_soak or not host and (transport == "native") == (protocol == 5)) then
        it(("is over after %s: %s"):format(how, program.way(transport, protocol, host)), function()
          holdfast.run(function()
            local one, seen, world, account = begin(transport, protocol, ending.code, host)
            await(seen, "online", 5)
            if ending.signal then
              one:signal(ending.signal)
            elseif ending.is_cut then
              weather:set { hold_up = true, hold_down = true, refuse = true }
            end
            if not ending.is_cut then
              assert(one:ended(5), "it does not end")
            end
            -- mosquitto looks for those that are silent each 5 s
            await(seen, "offline", 1.5 * KEEP_ALIVE + 6)
            assert.are.same({ "online", "offline" }, seen)
            close(account)
            world:close(1)
          end)
        end)
      end
    end

    if program.is_soak or host or (transport == "native") == (protocol == 5) then
      it("says goodbye itself where it closes: " .. program.way(transport, protocol, host), function()
        holdfast.run(function()
          local one, seen, world, account = begin(transport, protocol, CLEAN, host)
          assert.are.equal("exited 0", (one:ended(8)))
          holdfast.sleep(0.5) -- a will would come
          assert.are.same({ "online", "gone home" }, seen)
          close(account)
          world:close(1)
        end)
      end)
    end

    for at, code in pairs(host and {} or LEAVES) do
      if program.is_soak or (transport == "native") == (protocol == 5) and (at == "luv") == (protocol == 5) then
        it("says goodbye from a handler of SIGTERM: " .. program.way(transport, protocol, at), function()
          local why = hosts.missing(at)
          if why then
            pending(why)
            return
          end
          holdfast.run(function()
            local one, seen, world, account = begin(transport, protocol, code, at)
            await(seen, "online", 5)
            one:signal "TERM"
            assert.are.equal("exited 0", (one:ended(8)), account:words())
            await(seen, "gone home", 5)
            holdfast.sleep(0.3) -- a will would come
            assert.are.same({ "online", "gone home" }, seen)
            close(account)
            world:close(1)
          end)
        end)
      end
    end
  end)
end)
