-- A broker that just closes says nothing of why. What ends each connection on which it is in flight alone, while others
-- between are acknowledged, is dropped after some; a bad link, however often it breaks, has no good message dropped.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local CONNECTION_LOST, TIMED_OUT = 9, 5
local PROTOCOL_ERROR, TOO_LARGE, MALFORMED, OF_ITS_OWN = 0x82, 0x95, 0x81, 0x83

describe("what ends connections without a word", function()
  local world, client, place, connections

  before_each(function()
    world = virtual.new()
    client = world:client { backoff = virtual.constant(100) }
    client:start()
    world:pass(0)
    probe.script { hold_publishes = true }
    place, connections = 0, 0
  end)

  after_each(function()
    world:finish()
  end)

  local function post(count, qos, ttl)
    local ids = {}
    for index = 1, count do
      ids[index] = assert(client:post("t", tostring(index), qos or 1, false, nil, true, ttl))
    end
    return ids
  end

  local function outcomes()
    local delivered, dropped = {}, {}
    for _, line in ipairs(world:told(client, "delivered", "dropped")) do
      local word, id, why = line:match "^%S+ (%a+) (%d+) ?(.*)"
      if word == "delivered" then
        delivered[#delivered + 1] = tonumber(id)
      else
        dropped[#dropped + 1] = id .. " " .. why
      end
    end
    return delivered, dropped
  end

  -- The broker and the link to it: each publish, as it goes out, is acknowledged unless `ends(id, place)` says that the
  -- connection ends over it: true, or the source and the code. `place`: how many this connection has carried with it.
  local function serve(ends, most)
    local waiting = {}
    for step = 1, most or 10000 do
      for _, line in ipairs(world:asked("open", "publish")) do
        if line:find "^open" then
          waiting, place, connections = {}, 0, connections + 1
        else
          waiting[#waiting + 1] = tonumber(line:match " id=(%d+)")
        end
      end
      local id = table.remove(waiting, 1)
      if id then
        place = place + 1
        local over, code = ends(id, place)
        if over then
          probe.drop(1, code and over or "network", code or CONNECTION_LOST)
        else
          probe.acknowledge(1, 1)
        end
        world:turn()
      elseif client:status().queued.messages == 0 then
        return step
      else
        world:pass(0.5)
      end
    end
  end

  local function sorted(list)
    table.sort(list)
    return list
  end

  for _, chance in ipairs { 0.05, 0.3, 0.5, 0.7, 0.8, 0.9 } do
    it(("is no good message on a link that breaks over %g of all"):format(chance), function()
      math.randomseed(7 + chance * 100)
      local ids = post(200)
      serve(function() return math.random() < chance end, 1000000)
      local delivered, dropped = outcomes()
      assert.same({}, dropped)
      assert.same(ids, sorted(delivered))
    end)
  end

  local patterns = {
    ["the first of two connections"] = function(_, at) return at == 1 and connections % 2 == 1 end,
    ["the second publish of each"] = function(_, at) return at == 2 end,
    ["the fifth publish of each"] = function(_, at) return at == 5 end,
    ["all but each seventh connection"] = function() return connections % 7 ~= 0 end,
    ["all connections for a long while"] = function() return connections < 150 end,
  }
  for name, ends in pairs(patterns) do
    it("is no good message where the link breaks in a pattern: " .. name, function()
      local ids = post(20)
      serve(ends, 1000000)
      local delivered, dropped = outcomes()
      assert.same({}, dropped)
      assert.same(ids, sorted(delivered))
    end)
  end

  it("is no message that is out of luck for long, on a link that breaks over most of the others, too", function()
    math.randomseed(3)
    local ids, ends = post(60), 0
    serve(function(id)
      if id ~= ids[1] then return math.random() < 0.9 end
      ends = ends + 1
      return ends < 60
    end, 1000000)
    local delivered, dropped = outcomes()
    assert.same({}, dropped)
    assert.same(ids, sorted(delivered))
  end)

  it("is found among others, which are all delivered, by the connections of an hour at most", function()
    local ids = post(30)
    serve(function(id) return id == ids[7] end)
    local delivered, dropped = outcomes()
    assert.same({ ids[7] .. " disconnected connection_lost" }, dropped)
    assert.equal(29, #delivered)
    assert.is_true(connections < 60, connections)
  end)

  it("is found when there are several", function()
    local ids = post(100)
    serve(function(id) return id == ids[1] or id == ids[2] or id == ids[9] end)
    local delivered, dropped = outcomes()
    assert.same({ ids[1] .. " disconnected connection_lost", ids[2] .. " disconnected connection_lost",
      ids[9] .. " disconnected connection_lost" }, sorted(dropped))
    assert.equal(97, #delivered)
  end)

  it("costs few connections while it is all there is, and is found once there are others", function()
    local ids = post(1)
    local bad = function(id) return id == ids[1] end
    serve(bad, 7400)
    assert.same({}, select(2, outcomes()))
    assert.equal("connected", client:status().state)
    assert.is_true(world:now() > 3600 and connections < 100, connections)
    local good = post(60)
    serve(bad)
    local delivered, dropped = outcomes()
    assert.same({ ids[1] .. " disconnected connection_lost" }, dropped)
    assert.same(good, delivered)
  end)

  it("is not one of many that all do: then it is the broker, which is let alone after some", function()
    local ids = post(5)
    serve(function() return true end, 7400)
    assert.same({}, select(2, outcomes()))
    assert.is_true(world:now() > 3600 and connections < 100, connections)
    serve(function() return false end, 40000)
    local delivered, dropped = outcomes()
    assert.same({}, dropped)
    assert.same(ids, sorted(delivered))
  end)

  it("is not what nobody answers in time", function()
    local ids = post(60)
    serve(function(id)
      if id ~= ids[1] then return false end
      world:pass(6)
      return true
    end, 1500)
    assert.same({}, select(2, outcomes()))
    assert.is_true(connections > 20, connections)
  end)

  it("is not what the network is found to have ended", function()
    local ids = post(60)
    serve(function(id)
      if id == ids[1] then return "network", TIMED_OUT end
    end, 1500)
    assert.same({}, select(2, outcomes()))
    assert.is_true(connections > 20, connections)
  end)

  it("obeys its ttl once it has ended connections alone, and no sooner", function()
    local ids = post(1, 1, 60000)
    serve(function() return true end, 3)
    assert.equal(1, client:status().queued.messages)
    local good = post(3)
    serve(function(id) return id == ids[1] end, 300)
    local delivered, dropped = outcomes()
    assert.same({ ids[1] .. " expired" }, dropped)
    assert.same(good, delivered)
  end)

  it("is dropped by name when the link knows that it was a publish", function()
    local ids = post(3)
    serve(function(id)
      if id == ids[2] then return "disconnect", TOO_LARGE end
    end)
    local _, dropped = outcomes()
    assert.same({ ids[2] .. " disconnected packet_too_large" }, dropped)
  end)

  for _, code in ipairs { MALFORMED, PROTOCOL_ERROR } do
    it(("has the connection go on once it is out, though 0x%02X twice is a stop"):format(code), function()
      local ids = post(3)
      serve(function(id)
        if id == ids[2] then return "disconnect", code end
      end)
      local delivered, dropped = outcomes()
      assert.same({ ids[1], ids[3] }, delivered)
      assert.equal(1, #dropped)
      assert.equal("connected", client:status().state)
      local later = post(3) -- the next one is another matter
      serve(function(id)
        if id == later[2] then return "disconnect", code end
      end)
      assert.same({ later[1], later[3] }, (outcomes()))
      assert.equal("connected", client:status().state)
    end)
  end

  it("has the connection go on once it is out, though a policy says that twice is a stop", function()
    client:close(0)
    local rules = {}
    for index, row in ipairs(virtual.core.reason.all()) do
      local is_it = row.source == "disconnect" and row.code == MALFORMED
      rules[index - 1] = is_it and { class = "retry", later = "stop", after = 2 } or false
    end
    client = world:client { backoff = virtual.constant(100), rules = rules }
    client:start()
    world:pass(0)
    local ids = post(3)
    serve(function(id)
      if id == ids[2] then return "disconnect", MALFORMED end
    end)
    local delivered, dropped = outcomes()
    assert.same({ { ids[1], ids[3] }, { ids[2] .. " disconnected malformed_packet" } }, { delivered, dropped })
    assert.equal("connected", client:status().state)
  end)

  it("costs no long wait once it is out, though the broker's reason is a slow one", function()
    local ids, last = post(30), nil
    serve(function(id)
      if id == ids[1] then
        last = world:now()
        return "disconnect", OF_ITS_OWN
      end
    end)
    assert.same({ ids[1] .. " disconnected implementation_specific" }, select(2, outcomes()))
    post(1)
    serve(function() return false end)
    assert.equal(1, #outcomes())
    assert.is_true(world:now() - last < 5, world:now() - last)
  end)

  it("has the client go on though it is of QoS 0, which is gone when the connection ends over it", function()
    for _ = 1, 3 do
      assert(client:post("t", "x", 0, false, nil, true))
      world:turn()
      probe.acknowledge(1, 1)
      world:turn()
      probe.drop(1, "disconnect", MALFORMED)
      world:pass(31)
      assert.equal("connected", client:status().state)
    end
    probe.drop(1, "disconnect", MALFORMED)
    world:pass(31)
    probe.drop(1, "disconnect", MALFORMED)
    world:pass(31)
    assert.equal("sleeping", client:status().state, "nothing was sent, so it is not a message")
  end)
end)
