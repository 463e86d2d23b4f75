-- Brokers that answer with mutated packets: no crash, no hang, a named reason each time, and a client that still works
-- afterwards. `make soak` has two million of them; HOLDFAST_SEED repeats a run.
local hostility = require "spec.support.hostility"
local transport = require "spec.support.transport"

describe("a hostile broker #broker", function()
  local seed = tonumber(os.getenv "HOLDFAST_SEED") or os.time()

  it("does no more than end a connection", function()
    local fine, total = pcall(hostility.attack, { seed = seed, packets = 2000, clients = 2, seconds = 40 })
    assert.is_true(fine, ("HOLDFAST_SEED=%d: %s"):format(seed, tostring(total)))
    assert.is_true(total.connections > 20, total.connections .. " connections")
    assert.is_true(total.mutated >= 2000, total.mutated .. " mutated packets")
    assert.is_truthy(next(total.reasons))
    assert.equal(transport.name() == "native", total.overruns > 50, total.overruns .. " that Paho does not survive")
  end)
end)
