-- To whom the keeper's thread leaves its turns, on a clock that stands: csrc/keeper/lead.
local probe = require "keeper_probe"

describe("the turn of a Lua thread that is at its mail", function()
  -- So often it has to have come by, more often than not soon after the time before.
  local PROVEN = 16

  before_each(function()
    probe.advance(1000)
    assert(probe.lead_wait())
    probe.advance(1000)
    probe.lead_came_by(5) -- late once, which takes off what there is
    assert(probe.lead_wait())
  end)

  local function prove()
    probe.lead_came_by(PROVEN)
  end

  it("is its own once it has shown that it comes by, mail or not, and once more after a turn", function()
    prove()
    for _, has_mail in ipairs { false, true, false } do
      assert.is_true(probe.lead_give(has_mail, "hurry"))
    end
  end)

  it("is not before, nor once it has not come by for a millisecond", function()
    assert.is_false(probe.lead_give(false, "hurry"))
    prove()
    probe.advance(1)
    assert.is_false(probe.lead_give(false, "hurry"))
    probe.lead_came_by(1) -- late
    assert.is_false(probe.lead_give(false, "hurry"))
    prove()
    assert.is_true(probe.lead_give(false, "hurry"))
  end)

  it("is the keeper's again with the first message that is posted, until it has shown that anew", function()
    prove()
    assert.is_true(probe.lead_give(false, "post"))
    probe.lead_came_by(PROVEN - 1)
    assert.is_false(probe.lead_give(false, "hurry"))
    probe.lead_came_by(1)
    assert.is_true(probe.lead_give(false, "hurry"))
  end)
end)
