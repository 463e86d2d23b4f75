-- A million random inputs, with what must always hold checked after each (see storm_probe.c for the list).
local storm = require("storm_probe").storm

describe("an engine in a storm", function()
  it("never breaks a rule, and visits every state", function()
    local all = { connecting = 0, connected = 0, waiting = 0, sleeping = 0, closed = 0 }
    for seed = 1, 20 do
      local steps, entered = storm(seed, 50000)
      assert.equal(50000, steps, entered)
      for state, before in pairs(all) do
        all[state] = before + entered[state]
      end
    end
    for state, times in pairs(all) do
      assert.is_true(times > 1000, state .. " was entered " .. times .. " times")
    end
  end)
end)
