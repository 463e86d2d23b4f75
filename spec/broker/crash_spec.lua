-- The process that publishes is killed at random moments and goes on with its store: every message that `post`
-- returned an id for arrives, at QoS 2 once and in order. The long run is spec/soak/crashes.lua.
local crashes = require "spec.support.crashes"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"

describe("a publisher killed under way #broker", function()
  after_each(mosquitto.finish)

  for _, protocol in ipairs { 5, 4 } do
    for _, qos in ipairs { 1, 2 } do
      it(("has every message delivered, QoS %d, protocol %d"):format(qos, protocol), function()
        local report
        holdfast.run(function()
          report = crashes.run { qos = qos, protocol = protocol, kills = 8 }
        end)
        assert.is_nil(report.problem)
        assert.is_true(report.accepted > 100)
        assert.are.same({ 0, 0 }, { report.lost, report.reused })
        if qos == 2 then
          assert.are.same({ 0, 0 }, { report.doubled, report.disorder })
        end
      end)
    end
  end
end)
