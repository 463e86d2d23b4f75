-- What a child process shares with its parent after fork: descriptors, which are the parent's to read.
local core = require "holdfast.core"
local cqueues = require "cqueues"
local holdfast = require "holdfast"
local process = require "process_probe"

describe("a fork", function()
  it("neither takes what its parent was to be told, nor the hint that it is there", function()
    local client = holdfast.new { server = "mqtt://127.0.0.1:1" }
    local told
    client:on("dropped", function() told = true end)
    client:post("t", "x")
    client:close()
    process.sleep(100)
    local child = process.fork(function()
      local taken = 0
      while core.mailbox():take() do taken = taken + 1 end
      return core.mailbox():wait(0) and 100 or taken
    end)
    assert.same({ "exited", 0 }, { process.wait(child, 5000) })
    assert.is_true(core.mailbox():wait(0))
    holdfast.sleep(0.1)
    assert.is_true(told)
  end)

  it("can say where its log goes, for which no keeper is needed", function()
    local client = holdfast.new { server = "mqtt://127.0.0.1:1" }
    client:start()
    local child = process.fork(function() return holdfast.log(function() end) and 0 or 1 end)
    assert.same({ "exited", 0 }, { process.wait(child, 5000) })
    client:close()
  end)

  it("does not lower the hint that its parent has been knocked for", function()
    local mailbox = core.mailbox()
    while mailbox:take() do end
    mailbox:knock()
    local child = process.fork(function()
      mailbox:hang_up()
      return 0
    end)
    assert.same({ "exited", 0 }, { process.wait(child, 5000) })
    assert.is_true(mailbox:wait(0))
    mailbox:take()
  end)

  it("does not turn off its parent's alarm", function()
    local mailbox = core.mailbox()
    while mailbox:take() do end
    mailbox:alarm(0.2)
    local child = process.fork(function()
      mailbox:alarm(nil)
      return 0
    end)
    assert.same({ "exited", 0 }, { process.wait(child, 5000) })
    local alarm = { pollfd = mailbox:pollfd(), events = "r" }
    assert.equal(alarm, cqueues.poll(alarm, 5))
    mailbox:alarm(nil)
  end)
end)
