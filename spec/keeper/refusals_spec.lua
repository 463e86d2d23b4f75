-- A link may say no to whatever it is asked: the keeper asks again, and nobody hears of it but who must.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

describe("a link that refuses", function()
  local world

  before_each(function()
    world = virtual.new()
    probe.stop() -- the transport begins anew
    world:asked()
  end)

  after_each(function()
    world:finish()
  end)

  local function refusals()
    return table.concat(world:asked "refused", ", "):gsub("refused ", "")
  end

  it("each call once is asked again for every one of them", function()
    probe.script { refuse_once = true }
    local client = world:client()
    client:subscribe(1, "a", 1, false, false, 0)
    client:post("t", "x", 1, false, nil, true)
    client:start()
    world:pass(4)
    local story = {
      "0 connecting 1",
      "0 failed out_of_memory 1 retry_in=1", -- begin
      "1 connecting 2",
      "1 failed out_of_memory 2 retry_in=1", -- create
      "2 connecting 3", -- clear, which is asked again 5 ms later
      "2.005 failed out_of_memory 3 retry_in=1", -- open
      "3.005 connecting 4", -- subscribe, publish: nobody hears of it
    }
    local told = world:told(client)
    local words = {}
    for i = 8, #told do
      words[i - 7] = told[i]:match "^%S+ (%S+)"
      told[i] = nil
    end
    assert.same(story, told)
    assert.equal("connected granted ready delivered", table.concat(words, " "))
    assert.equal("begin, create, clear, open, subscribe, publish", (refusals()))
  end)

  it("to remove a filter, or to probe, is asked again", function()
    local client = world:client { connect_timeout = 5000 }
    client:subscribe(1, "a", 1, false, false, 0)
    client:subscribe(2, "b", 1, false, false, 0)
    client:start()
    world:pass(1)
    probe.script { refuse_once = true }
    world:asked()
    client:unsubscribe(1)
    client:network_changed()
    world:pass(1)
    local asked = world:asked()
    table.sort(asked)
    assert.same({ "probe", "refused probe", "refused unsubscribe", "unsubscribe a" }, asked)
    world:told(client)
    world:pass(60)
    assert.same({}, world:told(client))
  end)

  it("a SUBSCRIBE for as long as an attempt may last ends the connection", function()
    local client = world:client { connect_timeout = 5000 }
    client:start()
    world:pass(1)
    world:told(client)
    probe.script { refuse_to_subscribe = true }
    client:subscribe(1, "a", 1, false, false, 0)
    world:pass(6)
    assert.same({ "6 lost subscribe_timeout uptime=6 retry_in=1" }, world:told(client, "lost"))
  end)

  it("is told once that the process ends, after all its links have ended", function()
    local client = world:client()
    client:start()
    world:pass(1)
    world:asked()
    probe.stop()
    assert.same({ "close 0 expiry=-1", "destroy", "end" }, world:asked())
    probe.stop()
    assert.same({}, world:asked())
  end)
end)
