-- Connections over QUIC made and lost leave nothing behind. HOLDFAST_SPEC_CYCLES=2000 takes half a minute and more.
local certificates = require "spec.support.certificates"
local cycles = require "spec.support.cycles"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"

local COUNT = tonumber(os.getenv "HOLDFAST_SPEC_CYCLES") or 150

describe("cycles of losing a connection over QUIC #broker", function()
  local folder

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    quic_server.finish()
    mosquitto.finish()
  end)

  it("leave memory, descriptors and threads as they were", function()
    if not quic_server.program() then
      pending "not built: no libngtcp2-dev and libngtcp2-crypto-gnutls-dev"
      return
    end
    local report = holdfast.run(cycles.run, { count = COUNT, seconds = 600, quic = folder,
      say = COUNT > 1000 and print })
    assert.are.equal(COUNT, report.cycles)
    assert.are.equal(0, report.threads)
    assert.is_true(report.descriptors <= 0, report.descriptors .. " descriptors more")
    -- The sanitizers' allocators keep what is freed for a while.
    if not os.getenv "HOLDFAST_SANITIZE" then
      assert.is_true(report.slope < 1000, report.slope .. " bytes a cycle")
    end
  end)
end)
