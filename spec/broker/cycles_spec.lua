-- Hundreds of connections made and lost leave nothing behind; `make soak` makes ten thousand.
local cycles = require "spec.support.cycles"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"

describe("300 cycles of losing the connection #broker", function()
  after_each(mosquitto.finish)

  it("leave memory, descriptors and threads as they were", function()
    local report = holdfast.run(cycles.run, { count = 300, seconds = 60 })
    assert.are.equal(300, report.cycles)
    assert.are.equal(0, report.threads)
    assert.is_true(report.descriptors <= 0, report.descriptors .. " descriptors more")
    -- The sanitizers' allocators keep what is freed for a while.
    if not os.getenv "HOLDFAST_SANITIZE" then
      assert.is_true(report.slope < 1000, report.slope .. " bytes a cycle")
    end
  end)
end)
