-- What is asked for a second time, and what is told of it.
local probe = require "subscriptions_probe"

describe("asked for again", function()
  local set

  -- Grants everything that is due, or answers it with another code: the filters, and the verdicts.
  local function answer(code)
    local filters, verdicts = {}, {}
    for request in function() return set:next() end do
      filters[#filters + 1] = request.filter
      for _, verdict in ipairs(set:answer(request.ticket, code or 0)) do
        verdicts[#verdicts + 1] = verdict.wish .. "=" .. verdict.code
      end
    end
    return { filters, verdicts }
  end

  local function grant(...)
    set = probe.new()
    for wish, filter in ipairs { ... } do
      set:add(wish, filter)
    end
    set:connected(false)
    answer()
  end

  it("a verdict is told once on each connection, unless it becomes another", function()
    grant "a"
    set:add(2, "a")
    assert.same({ { "a" }, { "2=0" } }, answer())
    set:add(3, "a")
    assert.same({ { "a" }, { "1=135", "2=135", "3=135" } }, answer(0x87))
    set:connected(true)
    assert.same({ { "a" }, { "1=135", "2=135", "3=135" } }, answer(0x87))
    for _ = 1, 2 do
      set:connected(false)
      assert.same({ { "a" }, { "1=0", "2=0", "3=0" } }, answer())
    end
  end)

  it("is a shared subscription although the session is there, and nothing is told twice", function()
    grant("a", "$share/g/a", "b")
    set:connected(true)
    assert.is_false(set:facts().settled)
    assert.same({ { "$share/g/a" }, {} }, answer())
    assert.same({ settled = true, wishes = 3, refused = 0, confirmed = 3 }, set:facts())
  end)
end)
