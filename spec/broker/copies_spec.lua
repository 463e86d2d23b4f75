-- A broker that sends a copy of a message for each of several filters that overlap, as section 3.3.5 of MQTT 3.1.1 and
-- section 3.3.4 of MQTT 5 allow: an identifier tells whose it is, and without one nothing does. #broker
local holdfast = require "holdfast"
local scripted = require "spec.support.scripted_broker"

local FILTERS = { "a/#", "a/+", "a/b" }
local IDENTIFIER = 11 -- the property, of one byte below 128

describe("a copy for each filter #broker", function()
  local broker, client, calls

  before_each(function() broker = scripted.listen() end)
  after_each(function()
    client:close()
    broker:close()
  end)

  -- The connection of a client whose calls are counted by filter, and the identifier that each has.
  local function subscribed(protocol)
    local identifiers = {}
    calls = { total = 0 }
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, protocol = protocol }
    for _, filter in ipairs(FILTERS) do
      calls[filter] = 0
      client:subscribe(filter, { qos = 1 }, function()
        calls[filter], calls.total = calls[filter] + 1, calls.total + 1
      end)
    end
    client:start()
    local peer = broker:welcome()
    for _ = 1, #FILTERS do
      local asked = peer:expect "subscribe"
      for _, filter in ipairs(FILTERS) do
        if asked.body:find(filter, 1, true) then identifiers[filter] = asked.body:byte(5) end
      end
      peer:suback(asked.id, 1)
    end
    assert(client:connect(5))
    return peer, identifiers
  end

  local function send(peer, count, identifiers)
    for number = 1, count do
      for index, filter in ipairs(FILTERS) do
        local id = number * 10 + index
        peer:publish { topic = "a/b", payload = tostring(number), qos = 1, id = id,
          properties = { identifiers and scripted.one(IDENTIFIER, identifiers[filter]) } }
      end
    end
    for _ = 1, 3000 do
      if calls.total >= (identifiers and 3 or 9) * count then break end
      holdfast.sleep(0.01)
    end
    holdfast.sleep(0.02) -- and no more
  end

  it("comes to each subscription with 3.1.1, three messages through three filters nine times to each", function()
    local peer = subscribed(4)
    send(peer, 3)
    assert.same({ ["a/#"] = 9, ["a/+"] = 9, ["a/b"] = 9, total = 27 }, calls)
  end)

  it("comes to that of its identifier with MQTT 5", function()
    local peer, identifiers = subscribed(5)
    send(peer, 3, identifiers)
    assert.same({ ["a/#"] = 3, ["a/+"] = 3, ["a/b"] = 3, total = 9 }, calls)
  end)
end)
