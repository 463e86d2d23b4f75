-- Memory that runs out while the loop hands out, at every point where it is asked for: each message is handled or read
-- once. In the built-in loop, and as a guest in another.
local starve = require "starve_probe"
local virtual_host = require "spec.support.virtual_host"
local whole = require "spec.support.whole"

local holdfast, probe = nil, whole.probe

for name, make_loop in pairs { ["a loop"] = function() end, ["a host"] = virtual_host.new } do
  describe(name .. " that has no memory for a while", function()
    local world, client, book, loop

    setup(function()
      holdfast = whole.anew()
      loop = make_loop()
    end)

    local function begin(transport)
      world = whole.new()
      client, book = world:client { loop = loop, transport = transport }
    end

    before_each(function()
      begin "paho"
    end)

    after_each(function()
      world:finish()
    end)

    -- Three messages a time, with no memory from the first request on, then from the second ... until none is refused.
    -- `heard` counts those of each payload; `most` is how often each may have been handled.
    local function go_through(heard, most)
      client:start()
      world:pass(1)
      local refused
      local point = 0
      repeat
        point = point + 1
        for n = 1, 3 do
          heard[point .. " " .. n] = 0 -- counting wants no memory
          probe.send("a/b", point .. " " .. n, 1)
        end
        refused = select(2, starve.starve(function() holdfast.sleep(0.01) end, point))
        world:pass(0.1)
        for n = 1, 3 do
          local count = heard[point .. " " .. n]
          assert.is_true(count >= 1 and count <= most, ("%d %d: %d"):format(point, n, count))
        end
        assert.are.equal(0, client:status().inbox.messages, point)
        for entry = #book, 2, -1 do
          book[entry] = nil -- an error with its trace each
        end
      until refused == 0
      assert.is_true(point > 10, point)
    end

    local function count_in(heard)
      return function(message)
        local payload = message.payload
        heard[payload] = heard[payload] + 1
      end
    end

    for how, ordered in pairs { ["beside each other"] = false, ["in order"] = true } do
      it("handles each message once, " .. how, function()
        local heard = {}
        client:subscribe("a/#", { qos = 1, ordered = ordered }, count_in(heard))
        go_through(heard, 1)
      end)

      -- The next one begins in a coroutine of its own then, which itself may find no memory.
      it("handles each message once, " .. how .. ", where each handler throws, and tells of each", function()
        local heard, told, expected = {}, 0, 0
        client:on("error", function() told = told + 1 end)
        client:subscribe("a/#", { qos = 1, ordered = ordered }, function(message)
          local payload = message.payload
          heard[payload] = heard[payload] + 1
          error(message)
        end)
        go_through(heard, 1)
        for _ in pairs(heard) do
          expected = expected + 1
        end
        assert.is_true(told >= expected, ("%d of %d"):format(told, expected))
      end)

      it("lets go of each message that no handler can handle, " .. how, function()
        world:finish()
        begin "native"
        local heard, parked = {}, {}
        client:on("error", function() end)
        client:on("parked", function(event) parked[event.message.payload] = true end)
        client:subscribe("a/#", { qos = 1, ordered = ordered, acknowledge = "handled", handle_attempts = 2,
          handle_pause = 0.01 }, function(message)
          local payload = message.payload
          heard[payload] = heard[payload] + 1
          error(message)
        end)
        go_through(heard, 3) -- with no memory to say that the first attempt has failed, it is made again
        for payload in pairs(heard) do
          assert.is_true(parked[payload], payload)
        end
      end)
    end

    -- A new subscription keeps its messages while somebody may begin to read: only a task says that the time is over.
    it("lets go of what nobody reads", function()
      local refused
      local point = 0
      repeat
        point = point + 1
        world:finish()
        begin "native"
        client:subscribe("a/#", { qos = 1 })
        client:start()
        world:pass(1)
        for n = 1, 3 do
          probe.send("a/b", point .. " " .. n, 1)
        end
        refused = select(2, starve.starve(function() holdfast.sleep(0.01) end, point))
        world:pass(60)
        assert.are.equal(0, client:status().inbox.messages, point)
      until refused == 0
      assert.is_true(point > 10, point)
    end)
  end)
end
