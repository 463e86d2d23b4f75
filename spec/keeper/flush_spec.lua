-- close(timeout): what is queued goes first, for so long; what is left is dropped as `closed`.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("close with a timeout", function()
  local world

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function post(client, count, qos)
    for _ = 1, count do
      assert(client:post("a", "x", qos or 1, false, nil, true))
    end
  end

  local function ends(client)
    return world:told(client, "delivered", "dropped", "closed", "sleeping")
  end

  it("does not wait when nothing is queued", function()
    local client = world:client()
    client:start()
    world:pass(3)
    client:close(60000)
    world:turn()
    assert.same({ "3 closed" }, ends(client))
  end)

  it("goes on connecting until everything is delivered", function()
    local client = world:client()
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    post(client, 3)
    world:pass(2.5)
    client:close(10000)
    world:pass(1)
    assert.same({}, ends(client))
    probe.script { connect = "accept" }
    world:pass(20)
    assert.same({ "4 delivered 1", "4 delivered 2", "4 delivered 3", "4 closed" }, ends(client))
    assert.same({ "publish a qos=1 id=1", "publish a qos=1 id=2", "publish a qos=1 id=3", "close 0 expiry=-1" },
      world:asked("publish", "close"))
  end)

  it("waits for what is in flight and for no longer", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    post(client, 2, 2)
    world:pass(1)
    client:close(10000)
    world:pass(2)
    assert.same({}, ends(client))
    probe.release(1)
    world:turn()
    assert.same({ "3 delivered 1", "3 delivered 2", "3 closed" }, ends(client))
  end)

  it("gives up at its deadline and drops what is left", function()
    local client = world:client()
    probe.script { hold_publishes = true, receive_maximum = 2 }
    client:start()
    post(client, 4)
    world:pass(1)
    client:close(2500)
    world:pass(10)
    local told = ends(client)
    assert.equal("3.5 closed", table.remove(told))
    table.sort(told) -- two were in the queue, two came back from the link
    assert.same({ "3.5 dropped 1 closed", "3.5 dropped 2 closed", "3.5 dropped 3 closed", "3.5 dropped 4 closed" },
      told)
    assert.same({ messages = 0, bytes = 0 }, client:status().queued)
  end)

  it("gives up at its deadline when the broker never answers", function()
    local client = world:client()
    probe.script { connect = "silent" }
    client:start()
    post(client, 1)
    world:pass(1)
    client:close(2500)
    world:pass(60)
    assert.same({ "3.5 dropped 1 closed", "3.5 closed" }, ends(client))
    assert.same({ "open", "abandon", "destroy" }, (function()
      local lines = world:asked()
      for i, line in ipairs(lines) do
        lines[i] = line:match "%S+"
      end
      return lines
    end)())
  end)

  it("is cut short by a second one, and never prolonged", function()
    local client = world:client()
    probe.script { connect = "silent" }
    client:start()
    post(client, 1)
    world:turn()
    client:close(8000)
    client:close(60000)
    world:pass(1)
    client:close(2000)
    world:pass(1)
    client:close(60000)
    world:pass(60)
    assert.same({ "3 dropped 1 closed", "3 closed" }, ends(client))
  end)

  it("does not wait for a client that was never started", function()
    local client = world:client()
    post(client, 2)
    client:close(60000)
    world:turn()
    assert.same({ "0 dropped 1 closed", "0 dropped 2 closed", "0 closed" }, ends(client))
  end)

  it("does not wait for one that sleeps", function()
    local client = world:client { max_attempts = 1, sleep_for = 1000 }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    post(client, 1)
    world:pass(0.5)
    client:close(60000)
    world:turn()
    assert.same({ "0 sleeping max_attempts wake_in=1", "0.5 dropped 1 closed", "0.5 closed" }, ends(client))
  end)

  it("does not wait for one that falls asleep meanwhile", function()
    local client = world:client { max_attempts = 3 }
    probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    post(client, 1)
    world:pass(0.5)
    client:close(60000)
    world:pass(60)
    assert.same({ "2 sleeping max_attempts", "2 dropped 1 closed", "2 closed" }, ends(client))
  end)

  it("is content with a message that the broker refuses", function()
    local client = world:client()
    probe.script { connect = "silent", publish_result = 0x87 }
    client:start()
    post(client, 1)
    world:pass(1)
    client:close(5000)
    probe.accept(1)
    world:turn()
    assert.same({ "1 dropped 1 refused not_authorized", "1 closed" }, ends(client))
  end)

  it("lets nothing new in", function()
    local client = world:client()
    probe.script { connect = "silent" }
    client:start()
    post(client, 1)
    world:turn()
    client:close(5000)
    assert.same({ "closed" }, { select(3, client:post("a", "x", 1, false, nil, true)) })
    world:pass(10)
  end)

  it("is outlived by a loss on the way", function()
    local client = world:client()
    probe.script { hold_publishes = true }
    client:start()
    post(client, 2)
    world:pass(1)
    client:close(5000)
    world:pass(1)
    probe.drop(1, "network", 9)
    probe.script { hold_publishes = false }
    world:pass(10)
    assert.same({ "3 delivered 1", "3 delivered 2", "3 closed" }, ends(client))
  end)
end)
