-- The door between threads, where two of them meet.
local virtual = require "spec.support.virtual"

describe("a mailbox", function()
  -- The hint is raised outside of the lock, so a taker may come between the mail and its hint.
  it("has its hint up while there is mail, and not when there is none", function()
    local unseen, vain = virtual.probe.mail_race(4000)
    assert.same({ 0, 0 }, { unseen, vain })
  end)
end)
