-- return_to_primary: back to the first server of the list, once it has answered twice.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local BROKE = 9 -- hf_network_code

describe("the way back to the first server", function()
  local world, client

  before_each(function()
    world = virtual.new()
  end)

  after_each(function()
    world:finish()
  end)

  -- Connected to "b", because "a" refused.
  local function begin(return_to_primary)
    client = world:client {
      servers = { virtual.server "a", virtual.server "b" }, return_to_primary = return_to_primary or false,
    }
    probe.script { connect = "refuse", source = "network", code = 2, refuse_only = "a" }
    client:start()
    world:pass(2)
    assert.are.equal("b", client:status().server)
    probe.script { connect = "accept" }
    world:pass(1)
    assert.are.same({ "connected", "b" }, { client:status().state, client:status().server })
    world:asked()
    world:told(client)
  end

  it("is looked for as often as asked, and taken when two looks in a row have found it open", function()
    begin(30000)
    world:pass(65)
    assert.are.equal(2, probe.knocked())
    probe.script { opens = true }
    world:pass(30)
    probe.script { opens = false }
    world:pass(30)
    probe.script { opens = true }
    world:pass(45)
    assert.are.equal("b", client:status().server, "one open door is not enough")
    assert.are.equal("connected", client:status().state)
    world:pass(30)
    assert.are.equal("a", client:status().server)
    assert.are.equal("connected", client:status().state)
    local before = probe.knocked()
    world:pass(600)
    assert.are.equal(before, probe.knocked(), "it is where it wants to be")
  end)

  it("is not looked for unless asked, nor while there is no connection", function()
    begin()
    world:pass(3600)
    assert.are.equal(0, probe.knocked())
    client:close()
    world:pass(0)
    begin(30000)
    probe.script { connect = "silent" }
    probe.drop(1, "network", BROKE)
    world:pass(3600)
    assert.are.equal(0, probe.knocked())
  end)

  it("is not taken for what was found out for a connection before, nor for what comes late of that", function()
    begin(10000)
    probe.script { opens = true }
    world:pass(11)
    probe.script { slow_knocks = true }
    world:pass(10)
    probe.script { connect = "refuse", source = "network", code = 2, refuse_only = "a" }
    probe.drop(1, "network", BROKE)
    world:pass(3)
    probe.script { connect = "accept" }
    world:pass(1)
    assert.are.same({ "connected", "b", 2 }, { client:status().state, client:status().server, probe.knocked() })
    probe.script { slow_knocks = false }
    world:pass(11)
    assert.are.same({ "b", 3 }, { client:status().server, probe.knocked() })
    world:pass(10)
    assert.are.same({ "a", 4 }, { client:status().server, probe.knocked() })
  end)

  it("is taken less and less often while it does not last", function()
    begin(10000)
    probe.script { opens = true }
    local returns, last, gaps = 0, nil, {}
    for _ = 1, 600 do
      world:pass(1)
      local status = client:status()
      if status.server == "a" and status.state == "connected" then
        returns = returns + 1
        gaps[#gaps + 1] = last and world:now() - last
        last = world:now()
        probe.script { connect = "refuse", source = "network", code = 2, refuse_only = "a" }
        probe.drop(1, "network", BROKE)
        world:pass(3)
        probe.script { connect = "accept" }
      end
    end
    assert.is_true(returns >= 3)
    for index = 2, math.min(#gaps, 3) do
      assert.is_true(gaps[index] > 1.5 * gaps[index - 1], "the gaps do not grow")
    end
  end)
end)
