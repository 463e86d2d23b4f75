-- The connection is cut after every single byte of a QoS 2 exchange, either way: exactly once still holds.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local proxies = require "proxy_probe"

local QUICK = { strategy = "constant", min = 0.02, jitter = "none" }

local function client_of(port, protocol, name)
  local client = holdfast.new {
    server = "mqtt://127.0.0.1:" .. port, protocol = protocol, client_id = name, backoff = QUICK, stable_after = 0.02,
  }
  return client, diary.of(client)
end

local function await(condition, what)
  local deadline = require("holdfast.core").now() + 10
  while not condition() do
    assert(require("holdfast.core").now() < deadline, what)
    holdfast.sleep(0.002)
  end
end

-- Waits until nothing has passed for a moment: the exchange is over.
local function settled(proxy)
  local before
  repeat
    before = proxy:passed "up" + proxy:passed "down"
    holdfast.sleep(0.1)
  until proxy:passed "up" + proxy:passed "down" == before
end

describe("a connection that is cut #broker", function()
  local broker, proxy, port

  before_each(function()
    broker = mosquitto.start()
    proxy, port = proxies.start(broker.port)
  end)

  after_each(function()
    proxy:close()
    mosquitto.finish()
  end)

  -- `exchange(n)` begins to move message n; `arrived()` lists what has.
  local function cut_everywhere(seen, exchange, arrived)
    local number = 0
    local function move()
      number = number + 1
      exchange(("%03d"):format(number))
    end
    local size = {}
    move()
    await(function() return #arrived() == 1 end, "the first message does not arrive")
    settled(proxy)
    local before = { up = proxy:passed "up", down = proxy:passed "down" }
    move()
    await(function() return #arrived() == 2 end, "the second message does not arrive")
    settled(proxy)
    for way, bytes in pairs(before) do
      size[way] = proxy:passed(way) - bytes
    end
    local cuts = 0
    for _, way in ipairs { "up", "down" } do
      for offset = 0, size[way] do
        proxy:cut(way, offset)
        move()
        cuts = cuts + 1
        seen:await("ready", cuts + 1)
        await(function() return #arrived() >= number end, ("cut %s after %d bytes: lost"):format(way, offset))
        assert.are.equal(cuts, proxy:cuts())
      end
    end
    settled(proxy)
    local expected = {}
    for i = 1, number do
      expected[i] = ("%03d"):format(i)
    end
    assert.are.same(expected, arrived())
    assert.are.equal(cuts, seen:count "lost")
    return size
  end

  for _, protocol in ipairs { 5, 4 } do
    it("anywhere in a publish at QoS 2 loses and doubles nothing, protocol " .. protocol, function()
      holdfast.run(function()
        local heard, outcomes = {}, {}
        local reader = client_of(broker.port, protocol, "reader")
        reader:subscribe("cut", { qos = 2 }, function(message) heard[#heard + 1] = message.payload end)
        assert(reader:connect(10))
        local writer, seen = client_of(port, protocol, "writer")
        writer:on("delivered", function(event) outcomes[event.id] = (outcomes[event.id] or 0) + 1 end)
        assert(writer:connect(10))
        local last
        local size = cut_everywhere(seen, function(payload)
          last = assert(writer:post("cut", payload, { qos = 2 }))
        end, function() return heard end)
        assert.is_true(size.up >= 2 + 5 + 2 + 3 + 4 and size.down >= 8) -- PUBLISH and PUBREL, PUBREC and PUBCOMP
        await(function() return outcomes[last] end, "an outcome is owed")
        for id = 1, last do
          assert.are.equal(1, outcomes[id])
        end
        reader:close(1)
        writer:close(1)
      end)
    end)

    it("anywhere in a delivery at QoS 2 loses and doubles nothing, protocol " .. protocol, function()
      holdfast.run(function()
        local heard = {}
        local reader, seen = client_of(port, protocol, "reader")
        reader:subscribe("cut", { qos = 2 }, function(message) heard[#heard + 1] = message.payload end)
        assert(reader:connect(10))
        local writer = client_of(broker.port, protocol, "writer")
        assert(writer:connect(10))
        local size = cut_everywhere(seen, function(payload)
          assert(writer:post("cut", payload, { qos = 2 }))
        end, function() return heard end)
        assert.is_true(size.down >= 2 + 5 + 2 + 3 + 4 and size.up >= 8)
        reader:close(1)
        writer:close(1)
      end)
    end)
  end

  -- The first cut leaves half a PUBREC, or all of it; what is resumed is PUBLISH then, or PUBREL.
  for first, what in pairs { [2] = "PUBLISH", [4] = "PUBREL" } do
    it("and then anywhere in the connection that resumes " .. what .. " loses and doubles nothing", function()
      holdfast.run(function()
        local heard, outcomes, number = {}, {}, 0
        local reader = client_of(broker.port, 5, "reader")
        reader:subscribe("cut", { qos = 2 }, function(message) heard[#heard + 1] = message.payload end)
        assert(reader:connect(10))
        local writer = client_of(port, 5, "writer")
        writer:on("delivered", function(event) outcomes[event.id] = (outcomes[event.id] or 0) + 1 end)
        assert(writer:connect(10))
        local function move(way, offset)
          number = number + 1
          local cuts = proxy:cuts()
          proxy:cut("down", first, way, offset)
          local id = assert(writer:post("cut", ("%03d"):format(number), { qos = 2 }))
          await(function() return proxy:cuts() > cuts end, "the first cut is owed")
          local before = { up = proxy:passed "up", down = proxy:passed "down" }
          await(function() return #heard == number and outcomes[id] end, ("cut %s after %d"):format(way, offset or 0))
          assert(writer:connect(10))
          return before
        end
        local before, size = move(), {}
        settled(proxy)
        for way, bytes in pairs(before) do
          size[way] = proxy:passed(way) - bytes
        end
        local cuts = 1
        for _, way in ipairs { "up", "down" } do
          for offset = 0, size[way] do
            move(way, offset)
            cuts = cuts + 2
            await(function() return proxy:cuts() == cuts end, ("the cut %s after %d is owed"):format(way, offset))
            assert(writer:connect(10))
          end
        end
        settled(proxy)
        assert.are.equal(number, #heard)
        for index = 1, number do
          assert.are.equal(("%03d"):format(index), heard[index])
          assert.are.equal(1, outcomes[index])
        end
        reader:close(1)
        writer:close(1)
      end)
    end)
  end
end)
