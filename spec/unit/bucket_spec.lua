-- The token bucket in a shared dict, with a dict and a clock of ours.
local bucket = require "resty.holdfast.bucket"

describe("the budget in a shared dict", function()
  local dict, now, slept, open_after, expiry, values

  before_each(function()
    now, slept, open_after, expiry, values = 100, 0, math.huge, math.huge, {}
    dict = {
      get = function(_, key) return values[key] end,
      set = function(_, key, value)
        values[key] = value
        return true
      end,
      delete = function(_, key) values[key] = nil end,
      add = function(_, key, value, seconds)
        if values[key] ~= nil and slept < expiry then
          return false, "exists"
        end
        values[key], expiry = value, seconds and slept + seconds or math.huge
        return true
      end,
    }
  end)

  local function sleep(seconds)
    slept = slept + seconds
    if slept > open_after then
      values["holdfast:lock"], open_after = nil, math.huge
    end
  end

  local function new(per_second, burst)
    return bucket.new(dict, per_second, burst, function() return now end, sleep)
  end

  it("grants the burst at once and then a token at its time, to whoever shares the dict", function()
    local first, second = new(2, 3), new(2, 3)
    local waits = {}
    for index = 1, 6 do
      waits[index] = (index % 2 == 0 and first or second):take()
    end
    assert.are.same({ 0, 0, 0, 0.5, 1, 1.5 }, waits)
    now = now + 1
    assert.are.equal(1, first:take())
  end)

  it("saves up no more than the burst", function()
    local one = new(10, 2)
    one:take()
    now = now + 1000
    assert.are.same({ 0, 0, 0.1 }, { one:take(), one:take(), one:take() })
  end)

  it("opens the lock again, waits for another's, and gives up on one that stays", function()
    local one = new(1, 1)
    assert.are.equal(0, one:take())
    values["holdfast:lock"], expiry = true, math.huge
    open_after = 0.005
    assert.are.equal(1, one:take())
    assert.is_true(slept > 0.005 and slept < 0.008, slept)
    values["holdfast:lock"], expiry = true, math.huge
    assert.is_nil(one:take())
    assert.is_true(slept < 1, slept)
  end)

  it("opens by itself when a worker has died with the lock", function()
    local one = new(1, 2)
    local delete = dict.delete
    dict.delete = function() end
    assert.are.equal(0, one:take())
    dict.delete = delete
    assert.are.equal(0, one:take())
    assert.is_true(slept > 0.09 and slept < 0.12, slept)
  end)

  it("takes nothing back when one clock is behind another", function()
    local one = new(1, 2)
    assert.are.equal(0, one:take())
    now = now - 5
    assert.are.equal(0, one:take())
  end)

  it("does not know when the dict takes nothing", function()
    dict.set = function()
      return nil, "no memory"
    end
    assert.is_nil(new(1, 1):take())
    assert.is_nil(values["holdfast:lock"])
  end)
end)
