-- Memory that runs out while the loop hands out, at every point where it is asked for: each message is handled or read
-- once. In the built-in loop, and as a guest in another.
local starve = require "starve_probe"
local virtual_host = require "spec.support.virtual_host"
local whole = require "spec.support.whole"

local holdfast, probe = nil, whole.probe

for name, make_loop in pairs { ["a loop"] = function() end, ["a host"] = virtual_host.new } do
  describe(name .. " that has no memory for a while", function()
    local world, client, loop

    setup(function()
      holdfast = whole.anew()
      loop = make_loop()
    end)

    before_each(function()
      world = whole.new()
      client = world:client { loop = loop }
    end)

    after_each(function()
      world:finish()
    end)

    -- Three messages a time, with no memory from the first request on, then from the second ... until none is refused.
    -- `heard` counts those of each payload.
    local function go_through(heard)
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
          assert.are.equal(1, heard[point .. " " .. n], point .. " " .. n)
        end
        assert.are.equal(0, client:status().inbox.messages, point)
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
        go_through(heard)
      end)
    end
  end)
end
