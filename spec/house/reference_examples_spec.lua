-- The example of each call in docs/reference/calls.md does what it can against a broker: #broker.
package.path = "docs/tools/?.lua;" .. package.path

local catalog = require "reference.catalog"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local tree = require "spec.support.tree"

local unpack = table.unpack or unpack

-- What an example stands on that is not here.
local ELSEWHERE = {
  ["client:set_timeouts"] = true, ["resty.holdfast:new"] = true, ["resty.holdfast:kept"] = true,
  ["resty.holdfast.limit"] = true, ["resty.holdfast.metrics.publish"] = true, ["resty.holdfast.metrics.text"] = true,
  ["resty.holdfast.metrics.serve"] = true, -- nginx
  ["client:reauthenticate"] = true, -- a broker with enhanced authentication
  ["client:getfd"] = true, -- LuaSocket
}

local function load_in(code, name, environment)
  if setfenv then
    return setfenv(assert(loadstring(code, "=" .. name)), environment)
  end
  return assert(load(code, "=" .. name, "t", environment))
end

describe("the example #broker", function()
  local broker, peer, made

  setup(function()
    broker = mosquitto.start()
    peer = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, transport = "native" }
    peer:respond("adder/add", function()
      return "3"
    end)
    assert(peer:connect(20))
    assert(peer:publish("meters/kitchen/power", "stop", { qos = 1, retain = true }))
  end)

  teardown(function()
    peer:close()
    mosquitto.finish()
  end)

  before_each(function()
    made = {}
  end)

  after_each(function()
    holdfast.limit(nil)
    holdfast.log(nil)
    for _, client in ipairs(made) do
      client:close()
    end
  end)

  local function new(options)
    local copy = {}
    for key, value in pairs(options) do
      copy[key] = value
    end
    copy.server, copy.transport = "mqtt://127.0.0.1:" .. broker.port, "native"
    made[#made + 1] = holdfast.new(copy)
    return made[#made]
  end

  local function environment(code)
    local client = new {}
    local ours = setmetatable({ new = new }, { __index = holdfast })
    local meters = client:subscribe("meters/#", { qos = 1 })
    if not code:find("client:start()", 1, true) then
      assert(client:connect(20))
    end
    return setmetatable({ holdfast = ours, client = client, meters = meters, print = function() end }, { __index = _G })
  end

  local examples = {}
  for heading, code in tree.read("docs/reference/calls.md"):gmatch "\n### ([^\n]+)\n.-\n```lua\n(.-)\n```\n" do
    examples[heading] = code
  end

  for _, group in ipairs(catalog) do
    for _, call in ipairs(group.calls) do
      if not ELSEWHERE[call.heading] then
        it("of " .. call.heading .. " runs", function()
          local code = assert(examples[call.heading]):gsub("%f[%d]60%f[%D]", "0.05") -- nobody waits for a minute
          local results = { holdfast.run(holdfast.pcall, load_in(code, call.heading, environment(code))) }
          assert.is_true(unpack(results))
        end)
      end
    end
  end
end)
