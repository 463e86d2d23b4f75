-- Subscriptions that come and go while connections do, before a broker that answers when it likes. #broker
local holdfast = require "holdfast"
local scripted = require "spec.support.scripted_broker"

local CONNECTIONS = 80

-- Repeatable, and the same in every Lua.
local function dice()
  local state = 42
  return function(sides)
    state = (state * 16807) % 2147483647
    return state % sides + 1
  end
end

local function filter_of(packet, protocol)
  local at = 3
  if protocol == 5 then at = at + 1 + packet.body:byte(at) end -- properties below 128 bytes
  local high, low = packet.body:byte(at, at + 1)
  return packet.body:sub(at + 2, at + 1 + high * 256 + low)
end

describe("subscriptions that come and go #broker", function()
  local broker, client

  before_each(function()
    broker = scripted.listen()
  end)

  after_each(function()
    client:close()
    broker:close()
    holdfast.sleep(0.05)
  end)

  for protocol = 4, 5 do
    it("are what the broker's session holds in the end, protocol " .. protocol, function()
      local roll, wishes, session = dice(), {}, {}
      client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "c", protocol = protocol,
        stable_after = 0.01, backoff = { strategy = "constant", min = 0.001, jitter = "none" } }
      client:start()

      local function change_mind()
        local filter = "f/" .. roll(12)
        if wishes[filter] and roll(2) == 1 then
          wishes[filter]:remove()
          wishes[filter] = nil
        end
        wishes[filter] = wishes[filter] or roll(2) == 1 and client:subscribe(filter, { qos = 1 }) or nil
      end

      -- Takes the next request, and answers it most of the time; false when there is none.
      local function serve(peer, patience, always)
        local packet = peer:packet(patience)
        if not packet or (packet.type ~= "subscribe" and packet.type ~= "unsubscribe") then return false end
        local subscribe = packet.type == "subscribe"
        session[filter_of(packet, protocol)] = subscribe or nil
        if always or roll(5) > 1 then
          local code = (subscribe and "\1") or (protocol == 5 and "\0") or ""
          peer:send(subscribe and "suback" or "unsuback",
            packet.body:sub(1, 2) .. (protocol == 5 and "\0" or "") .. code)
        end
        return true
      end

      local function welcome()
        local present = roll(4) > 1
        if not present then session = {} end
        return (broker:welcome { session_present = present })
      end

      for _ = 1, CONNECTIONS do
        local peer = welcome()
        for _ = 1, roll(10) do
          for _ = 1, roll(3) do change_mind() end
          holdfast.sleep(0)
          serve(peer, roll(3))
        end
        peer:close()
      end
      local peer = welcome()
      repeat holdfast.sleep(0.01) until not serve(peer, 200, true)
      local wanted = {}
      for filter, subscription in pairs(wishes) do
        wanted[filter] = true
        assert.equal(1, subscription:granted(5))
      end
      assert.same(wanted, session)
      assert.is_true(client:connect(5))
    end)
  end

  it("wait for a broker that knows 3.1.1 only, where that is allowed", function()
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, fallback = true,
      backoff = { min = 0.001, max = 0.001 } }
    local subscription = client:subscribe("a", { qos = 1 })
    client:start()
    local peer = broker:accept()
    assert.equal(5, peer:expect("connect").level)
    peer:send("connack", "\0\1"):close()
    local connect
    peer, connect = broker:welcome()
    assert.equal(4, connect.level)
    peer:suback(peer:expect("subscribe").id, 1)
    assert.equal(1, subscription:granted(5))
    assert.equal(4, client:status().protocol)
  end)
end)
