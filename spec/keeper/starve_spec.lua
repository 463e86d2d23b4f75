-- Memory that runs out inside Lua, at every point where it is asked for: nothing is lost, told twice or left over, and
-- what could not be done once can be done again.
local starve = require "starve_probe"
local virtual = require "spec.support.virtual"

local core, probe = virtual.core, virtual.probe

local MOST = 5000 -- requests for memory in one step; far more than any of these makes

local FULL = virtual.settings {
  username = "u", password = "p",
  servers = { virtual.server "a", { host = "b", port = 8883, text = "mqtts://b", tls = true } },
  will = { topic = "will", payload = "gone", qos = 1, properties = { will_delay = 5, user = { a = "1", b = "2" } } },
  tls = { ca = "/nowhere", cert = "/nowhere", alpn = { "mqtt" } }, properties = { user = { made = "here" } },
}

local function collect()
  if jit then
    jit.flush() -- compiled code keeps the clients alive that are constants in it
  end
  collectgarbage()
  collectgarbage()
end

-- Does `step` with memory refused from the first request on, then from the second ... until there is enough for all of
-- it; answers how many points that were.
local function at_every_point(step, after_failure)
  for point = 1, MOST do
    local _, _, problem = starve.starve(step, point)
    if not problem then
      return point - 1
    end
    assert.matches("memory", problem)
    if after_failure then
      after_failure()
    end
  end
  error "it never has enough"
end

describe("when memory runs out, the binding", function()
  local world, before

  before_each(function()
    world = virtual.new()
    collect()
    world:turn()
    before = probe.living()
  end)

  after_each(function()
    world:finish()
    world = nil
    collect()
    probe.turn()
    assert.are.equal(before, probe.living())
  end)

  it("makes a client, or none and leaves nothing of it", function()
    local made
    local points = at_every_point(function()
      made = nil
      made = core.client(FULL)
    end, collect)
    assert.is_true(points > 3, points)
    world:turn()
    assert.are.equal(before + 1, probe.living())
    made = nil
    collect()
    world:turn()
    assert.is_nil(made)
  end)

  it("takes a command, or has not been given it", function()
    local client = world:client()
    client:start()
    world:turn()
    local properties = { user = { a = "1", b = "2" }, content_type = "text/plain", correlation_data = "x" }
    local posted = 0
    at_every_point(function()
      client:post("a/b", "x", 1, false, properties, true)
      posted = posted + 1
    end)
    at_every_point(function()
      client:subscribe(1, "a/+", 1, false, false, 0, nil, { user = { why = "not" } })
    end)
    for _, name in ipairs { "status", "history" } do
      assert.is_true(at_every_point(function() return client[name](client) end) > 0)
    end
    assert.is_true(at_every_point(core.metrics) > 0)
    world:turn()
    assert.are.equal(1, posted)
    assert.are.equal(0, client:status().queued.messages)
  end)

  -- What a client is told in a life, mail by mail; `take` gets them.
  local function told(take)
    local lines = {}
    local function turn()
      world.blind = true
      world:turn()
      world.blind = false
      local kind, first
      repeat
        kind, first = take()
        lines[#lines + 1] = kind and kind .. " " .. (type(first) == "table" and first.payload or tostring(first))
      until not kind
    end
    local client = world:client { ask_delay = true }
    world:forget(client)
    client:subscribe(1, "a/#", 1, false, false, 0)
    client:start()
    turn()
    for qos = 0, 2 do
      probe.send("a/b", ("x"):rep(qos), qos)
      client:post("t", "x", qos, false, { user = { a = "b" } }, true)
      turn()
    end
    probe.script { publish_result = 0x97 }
    client:post("t", "x", 1, false, nil, true)
    turn()
    probe.script { publish_result = 0 }
    probe.drop(1, "disconnect", 0x8B)
    turn()
    client:close(0)
    turn()
    return lines
  end

  it("hands a mail over whole, or again, and once", function()
    local mailbox = core.mailbox()
    local last = 0 -- serial of the mail that was taken
    local function pick(serial, kind, _, first, second) -- ids differ from client to client
      last = serial or last
      return kind, kind == "outcome" and second or first
    end
    local plain = told(function() return pick(mailbox:take(last)) end)
    assert.is_true(#plain > 12, table.concat(plain, "\n"))
    collect()
    probe.reset()
    local points = 0
    local starved = told(function()
      local kind, first
      points = points + at_every_point(function()
        kind, first = pick(mailbox:take(last))
      end)
      return kind, first
    end)
    assert.are.same(plain, starved)
    assert.is_true(points > 25, points)
  end)

  it("makes its pure parts, or none", function()
    local backoff, reason
    at_every_point(function()
      backoff = core.backoff.new({ strategy = "linear", min = 1, max = 9, step = 1, jitter = "none" }, 7)
    end)
    at_every_point(function() reason = core.reason.find("connack", 0x87) end)
    assert.are.same({ 1, "not_authorized" }, { backoff:next(), reason.name })
  end)
end)
