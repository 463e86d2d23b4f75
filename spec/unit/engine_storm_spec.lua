-- A million random sequences of inputs; what must always hold is checked after each step (see storm_probe.c).
local storm = require("storm_probe").storm

describe("an engine in a storm", function()
  it("never breaks a rule, and visits every state", function()
    local all = { connecting = 0, connected = 0, waiting = 0, sleeping = 0, closed = 0 }
    for seed = 1, 20 do
      local steps, entered = storm(seed, 50000)
      assert.is_truthy(steps, entered)
      assert.is_true(steps > 50000 * 10, steps .. " steps")
      for state, before in pairs(all) do
        all[state] = before + entered[state]
      end
    end
    for state, times in pairs(all) do
      assert.is_true(times > 10000, state .. " was entered " .. times .. " times")
    end
  end)
end)
