-- What `holdfast check` makes of each reason that there is.
local advice = require "holdfast.command.check.advice"
local reason = require "holdfast.reason"
local status = require "holdfast.command.check.status"
local verdict = require "holdfast.command.check.verdict"

describe("what holdfast check makes of a reason", function()
  it("is a status that it documents, and something to do", function()
    local known = { [1] = true } -- the system's
    for _, row in ipairs(status.words) do
      known[row[1]] = true
    end
    local seen = 0
    for _, row in ipairs(reason.all()) do
      if row.class ~= "none" or row.source == "suback" and row.code >= 0x80 then
        local fault = verdict.of(row, "connack")
        assert.is_true(known[fault.status] and fault.status ~= 0 and fault.status ~= status.warned, row.name)
        assert.is_true(#fault.advice > 10, row.name)
        seen = seen + 1
      end
    end
    assert.is_true(seen > 150)
  end)

  it("names no reason that there is not", function()
    local names = { tls_expected = true, tls_not_spoken = true, only_mqtt_3 = true, certificate_ends = true,
      not_verified = true, message_not_returned = true } -- its own
    for _, row in ipairs(reason.all()) do
      names[row.name], names[row.source .. "." .. row.name] = true, true
    end
    for name in pairs(advice.all) do
      assert.is_true(names[name] or names[name:match "^[^.]+"] and true, name)
    end
  end)

  it("has a word for each of its statuses", function()
    local words = {}
    for _, row in ipairs(status.words) do
      words[row[1]] = row[2]
    end
    for name, number in pairs(status) do
      assert.is_true(name == "words" or words[number] ~= nil, name)
    end
  end)
end)
