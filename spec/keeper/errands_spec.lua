-- How many threads clients may cost that look for their server of first choice, which does not answer.
local socket = require "socket_probe"
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local CLIENTS = 300
local KNOCKS = 8 -- threads at most

local function threads(name)
  local count = 0
  local list = io.popen "cat /proc/$PPID/task/*/comm"
  for line in list:lines() do
    count = count + (line == name and 1 or 0)
  end
  list:close()
  return count
end

describe("a server of first choice that swallows every connection", function()
  local world, hole, sockets, port

  -- A listener whose backlog is full: the system drops what comes after.
  before_each(function()
    world = virtual.new()
    hole, port = socket.listen(0, 0)
    sockets = { socket.connect(port) }
  end)

  after_each(function()
    hole:close() -- whoever still knocks is turned away at once
    probe.script { opens = false, knocks = "script" }
    world:finish()
    for _ = 1, 200 do
      collectgarbage()
      world:turn()
      if threads "holdfast-knock" == 0 then
        break
      end
      socket.listen():accept(50)
    end
    world:turn()
    sockets = nil
  end)

  local function knock(text, least)
    probe.script { connect = "refuse", source = "network", code = 2 }
    local clients = {}
    for i = 1, CLIENTS do
      clients[i] = world:client {
        client_id = "c" .. i, return_to_primary = 1000,
        servers = { { host = "127.0.0.1", port = port, text = text:format(i) }, virtual.server "b" },
      }
      clients[i]:start()
    end
    world:turn()
    probe.script { connect = "accept", knocks = "real" }
    world:pass(1)
    for i = 1, CLIENTS do
      assert.equal("connected b", clients[i]:status().state .. " " .. clients[i]:status().server)
    end
    world:pass(1.5)
    assert.is_true(#sockets == 1)
    for _ = 1, 200 do -- a thread names itself
      if threads "holdfast-knock" >= least then
        break
      end
      socket.listen():accept(5)
    end
  end

  it("is knocked at once for all its clients", function()
    knock("mqtt://a", 1)
    assert.equal(1, threads "holdfast-knock")
  end)

  it("costs no more than a few threads, where each client has one of its own", function()
    knock("mqtt://a%d", KNOCKS)
    assert.equal(KNOCKS, threads "holdfast-knock")
  end)
end)
