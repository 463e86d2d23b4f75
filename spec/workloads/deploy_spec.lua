-- 14, a deploy: the old process still runs while the new one starts with the same client id and store. The store says
-- who is at home; without one the two would fight over the session (docs/delivery.md).
-- #broker
local accounts = require "spec.support.account"
local core = require "holdfast.core"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local program = require "spec.support.program"

local WORKER = [[
local holdfast = require "holdfast"

local client, problem, code
repeat
  client, problem, code = holdfast.new { server = arg[1], client_id = "worker", queue = { store = arg[2] } }
  if code then
    print("waiting", code)
    holdfast.sleep(0.2)
  end
until client
client:on("ready", print)
client:on("lost", print)
client:start()
holdfast.run(function()
  local number = tonumber(arg[3])
  while true do
    number = number + 1
    if client:post("work", tostring(number), { qos = 2 }) then
      print("took", number)
    end
    holdfast.sleep(0.01)
  end
end)
]]

local TOGETHER = program.size(1, 5) -- seconds
local DEPLOYS = program.size(3, 10)
local APART = 1000000 -- numbers of one process and those of the next

describe("a deploy #broker", function()
  local folder

  before_each(function()
    folder = process.temporary_folder()
  end)

  after_each(function()
    program.finish()
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function deploy(transport, protocol, host)
    local broker = mosquitto.start { lines = { "max_inflight_messages 0" } }
    local address = "mqtt://127.0.0.1:" .. broker.port
    local account = accounts.new()
    local world = holdfast.new { server = address }
    world:subscribe("work", { qos = 2, ordered = true }, function(message)
      account:arrived("work", tonumber(message.payload))
    end)
    assert(world:connect(10))
    local function begin(index)
      return account:watch(program.start { code = WORKER, transport = transport, protocol = protocol, host = host,
        arguments = { address, folder .. "/queue", index * APART } })
    end
    local function look(one)
      for _, line in ipairs(one:news()) do
        local number = line:match "^took\t(%d+)"
        if number then
          account:posted("work", tonumber(number))
        end
      end
    end

    local old, losses = begin(0):await "^ready", 0
    account:weigh(old.pid)
    for index = 1, DEPLOYS do
      local new = begin(index):await "^waiting\tstore_locked"
      local deadline = core.now() + TOGETHER
      while core.now() < deadline do
        look(old)
        holdfast.sleep(0.02)
      end
      assert(new:count "^ready" == 0, account:words())
      old:signal("TERM"):ended(5)
      look(old)
      losses = losses + old:count "^lost"
      new:await "^ready"
      old = new
    end
    holdfast.sleep(TOGETHER)
    account:weigh(old.pid)
    old:signal("KILL"):ended(5)
    look(old)
    -- What the last one held goes out with the next.
    begin(DEPLOYS + 1):await "^ready"
    account:await("arrived", account:count "posted", 10)
    account.programs = {}
    account:note("connections lost: %d", losses)
    world:close(1)
    return account, losses
  end

  program.everywhere(14, function(transport, protocol, host)
    if program.is_soak or not host and (transport == "native") == (protocol == 4) then
      it("loses nothing, and nobody fights: " .. program.way(transport, protocol, host), function()
        holdfast.run(function()
          local account, losses = deploy(transport, protocol, host)
          account:close { invented = { 0 }, gap = { 0, 10 } } -- what the last one has posted nobody has written down
          assert.are.equal(0, losses, account:words())
        end)
      end)
    end
  end)
end)
