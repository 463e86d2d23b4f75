--- Clients against hostile brokers, and what must hold meanwhile; for a spec (some thousand packets) and the soak.
--
--     local attack = hostility.attack { seed = 1, packets = 5000, clients = 2, protocol = 5 }
--     attack.mutated, attack.packets, attack.connections, attack.reasons
--
-- Each client has a broker of its own, in another process. It throws when something told has no name, comes in an
-- impossible order, stops coming, or when a client cannot make friends with a broker that behaves in the end. A crash
-- takes this process with it: FOLDER/last, which `say` is given at the start, has the bytes that did it.
local holdfast = require "holdfast"
local now = require("holdfast.core").now
local process = require "process_probe"
local transport = require "spec.support.transport"
local tree = require "spec.support.tree"

local hostility = {}

local QUIET = 40 -- seconds without any event from a client: it hangs

local FOLLOWS = {
  connecting = "start failed lost sleeping", connected = "connecting", ready = "connected", failed = "connecting",
  lost = "connected ready", sleeping = "failed lost",
}

local function begin(seed, chosen)
  local folder = process.temporary_folder()
  local broker = { folder = folder }
  broker.pid = assert(process.spawn({ os.getenv "LUA" or "lua5.4", "spec/support/hostile_broker.lua", folder,
    ("%d"):format(seed), "1", chosen }, folder .. "/log"))
  local deadline = process.now() + 20000
  repeat
    process.sleep(5)
    local file = io.open(folder .. "/port")
    if file then
      broker.port = tonumber(file:read "*a")
      file:close()
    end
    assert(process.now() < deadline, "the hostile broker does not listen")
  until broker.port
  return broker
end

local function counts(broker)
  local connections, packets, mutated, overruns = tree.read(broker.folder .. "/count")
    :match "(%d+) (%d+) (%d+) (%d+)"
  return tonumber(connections), tonumber(packets), tonumber(mutated), tonumber(overruns)
end

-- A client whose every disappointment is followed by another attempt at once.
local function victim(broker, index, protocol, chosen, report)
  local client = holdfast.new {
    transport = chosen,
    server = "mqtt://127.0.0.1:" .. broker.port, client_id = "victim" .. index, protocol = protocol,
    keep_alive = 2, connect_timeout = 3, session_expiry = index % 2 * 60,
    backoff = { strategy = "constant", min = 0.001, jitter = "none" },
    inbox = { messages = 100 }, queue = { messages = 20 },
    will = { topic = "will", payload = "x", qos = 1 },
  }
  local before = "start"
  local state = { client = client, told_at = now() }
  for name, allowed in pairs(FOLLOWS) do
    client:on(name, function(event)
      state.told_at = now()
      if not allowed:find(before, 1, true) then
        report(("client %d: %s after %s"):format(index, name, before))
      end
      before = name
      local reason = event.reason
      if name == "failed" or name == "lost" then
        if not (reason and type(reason.name) == "string" and reason.class ~= "none") then
          report(("client %d: %s without a reason"):format(index, name))
        else
          state.reasons[reason.name] = (state.reasons[reason.name] or 0) + 1
        end
        client:reconnect()
      elseif name == "sleeping" then
        client:wake()
      end
    end)
  end
  client:on("error", function(event) report(event.traceback) end)
  state.reasons = {}
  state.messages = 0
  client:subscribe("#", { qos = 2, ordered = true }, function(message)
    state.messages = state.messages + 1
    if not (type(message.topic) == "string" and type(message.payload) == "string") then
      report "a message without topic or payload"
    end
  end)
  client:start()
  return state
end

--- Attacks until so many mutated packets have been sent, or the time is up; then looks whether the clients still work.
-- @tparam table options `seed`, `packets` (mutated ones), `clients` (2), `protocol` (nil: both), `seconds` (no end),
-- `each(state)` (called now and then), `transport` (that of the run)
-- @treturn table packets, mutated, overruns (of those, such as Paho does not survive), connections, messages, reasons
-- (name -> how often)
function hostility.attack(options)
  local brokers, states, problem = {}, {}, nil
  local chosen = options.transport or transport.name()
  local function report(words)
    problem = problem or words
  end
  local total
  local function look()
    total = { connections = 0, packets = 0, mutated = 0, overruns = 0, messages = 0, reasons = {} }
    for index, broker in ipairs(brokers) do
      if process.wait(broker.pid) then
        report("broker " .. index .. " has ended by itself")
      end
      local connections, packets, mutated, overruns = counts(broker)
      total.overruns = total.overruns + overruns
      total.connections, total.packets = total.connections + connections, total.packets + packets
      total.mutated, total.messages = total.mutated + mutated, total.messages + states[index].messages
      for name, count in pairs(states[index].reasons) do
        total.reasons[name] = (total.reasons[name] or 0) + count
      end
      if now() - states[index].told_at > QUIET then
        report(("client %d has been silent for %d s, state %s"):format(index, QUIET,
          states[index].client:status().state))
      end
    end
    return not problem
  end
  local fine, failure = pcall(holdfast.run, function()
    local deadline = now() + (options.seconds or 86400)
    for index = 1, options.clients or 2 do
      brokers[index] = begin(options.seed + index, chosen)
      states[index] = victim(brokers[index], index, options.protocol or 4 + index % 2, chosen, report)
    end
    local tick = 0
    repeat
      for _, state in ipairs(states) do
        state.client:post("a/b", ("x"):rep(tick % 50), { qos = tick % 3 })
      end
      holdfast.sleep(0.02)
      tick = tick + 1
      if tick % 10 == 0 then
        assert(look(), problem)
        if options.each then
          options.each(total)
        end
      end
    until total and total.mutated >= options.packets or now() > deadline
    for index, broker in ipairs(brokers) do
      assert(io.open(broker.folder .. "/behave", "w")):close()
      local client = states[index].client
      local until_friends = now() + QUIET
      repeat
        assert(now() < until_friends, "a broker that behaves is not accepted")
        client:wake()
      until client:connect(2) and client:publish("friends", "x", { qos = 1, timeout = 5 })
    end
    assert(look(), problem)
    for _, state in ipairs(states) do
      assert(state.client:close(2))
    end
  end)
  local last = {}
  for index, broker in ipairs(brokers) do
    process.kill(broker.pid, "KILL")
    process.wait(broker.pid, 5000)
    local file = io.open(broker.folder .. "/last")
    last[index] = (file and file:read "*a" or "") .. tree.read(broker.folder .. "/log")
    if file then
      file:close()
    end
    process.remove_folder(broker.folder)
  end
  if not fine then
    error(("%s\nlast packets of each broker:\n%s"):format(tostring(failure), table.concat(last, "\n")), 0)
  end
  return total
end

return hostility
