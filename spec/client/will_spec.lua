-- Who has said goodbye, and who has not: the broker publishes the will of those (issue 12, point 4). #broker
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local transport = require "spec.support.transport"
local tree = require "spec.support.tree"

local CONNECTED = [[
  local holdfast = require "holdfast"
  holdfast.log(function() end)
  local function connected(protocol)
    local client = holdfast.new { server = "mqtt://127.0.0.1:" .. arg[1], protocol = tonumber(arg[2]),
      will = { topic = "will", payload = arg[3], qos = 1 } }
    assert(client:connect(10))
    return client
  end
]]

local CLOSES = _VERSION == "Lua 5.4" -- knows variables that are closed

-- how a program ends -> its code, whether the will is published
local ways = {
  { "an error", [[ local client = connected() error "boom" ]], true },
  { "os.exit(1)", [[ local client = connected() os.exit(1) ]], true },
  { "os.exit that closes the Lua state", [[ local client = connected() os.exit(1, true) ]], true },
  { "the end of the script", [[ local client = connected() ]], true },
  { "Ctrl-C", [[ local client = connected() print "waiting" io.stdout:flush() client:wait "lost" ]], true, "INT" },
  { "the collector", [[ do connected() end for i = 1, 100 do collectgarbage() holdfast.sleep(0.005) end ]], true },
  { "close(1)", [[ local client = connected() client:close(1) ]], false },
  { "close()", [[ local client = connected() client:close() ]], false },
  { "close() and os.exit", [[ local client = connected() client:close() os.exit(0) ]], false },
  { "close { timeout, will = false }", [[ connected():close { timeout = 1, will = false } ]], false },
  { "close { timeout, will }", [[ connected():close { timeout = 1, will = true } ]], true },
  { "close { will }, twice", [[ local client = connected() client:close { will = true } client:close() ]], true },
  { "a variable that is closed", [[ do local client <close> = connected() end holdfast.sleep(0.1) ]], false, nil,
    CLOSES },
  { "a variable that is closed by an error",
    [[ pcall(function() local client <close> = connected() error "boom" end) holdfast.sleep(0.1) ]], true, nil,
    CLOSES },
  { "a variable that is closed, after close { will }",
    [[ do local client <close> = connected() client:close { will = true } end holdfast.sleep(0.1) ]], true, nil,
    CLOSES },
}

describe("a client with a will #broker", function()
  local broker, witness, wills, folder
  local number = 0

  setup(function()
    broker = mosquitto.start()
    folder = process.temporary_folder()
    witness = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    wills = witness:subscribe("will", { qos = 1 })
    assert(witness:connect(10))
  end)

  teardown(function()
    witness:close(1)
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function begin(code, protocol)
    number = number + 1
    local file = assert(io.open(folder .. "/program.lua", "w"))
    file:write(CONNECTED .. code)
    file:close()
    os.remove(folder .. "/output")
    local pid = assert(process.spawn({ os.getenv "LUA", folder .. "/program.lua", tostring(broker.port),
      tostring(protocol), "gone " .. number }, folder .. "/output"))
    return pid, "gone " .. number
  end

  local function said(pid)
    local deadline = process.now() + 10000
    while not (io.open(folder .. "/output") and tree.read(folder .. "/output"):find "waiting") do
      assert(process.now() < deadline, "it does not come to its wait")
      assert(not process.wait(pid, 10), "it has ended: " .. tree.read(folder .. "/output"))
    end
  end

  local function finish(pid)
    if not process.wait(pid, 20000) then
      process.kill(pid, "KILL")
      error "it does not end"
    end
  end

  -- What the broker has published by the time that it answers a message that was sent after the end.
  local function published(mark)
    local found = {}
    assert(witness:publish("will", mark, { qos = 1 }))
    repeat
      local payload = assert(wills:receive(10)).payload
      found[#found + 1] = payload ~= mark and payload or nil
    until payload == mark
    return found
  end

  for _, protocol in ipairs { 5, 4 } do
    for _, way in ipairs(ways) do
      local name, code, expected, signal, possible = way[1], way[2], way[3], way[4], way[5]
      if possible ~= false then
        it(("of MQTT %d that ends by %s %s"):format(protocol, name, expected and "leaves it" or "takes it along"),
          function()
            local pid, will = begin(code, protocol)
            if signal then
              said(pid)
              process.kill(pid, signal)
            end
            finish(pid)
            local output = tree.read(folder .. "/output")
            assert.same(expected and { will } or {}, published("mark " .. number), output)
          end)
      end
    end
  end

  for _, protocol in ipairs { 5, 4 } do
    it(("of MQTT %d delivers what is queued before it leaves with it"):format(protocol), function()
      local pid, will = begin([[
        local client = connected()
        for i = 1, 300 do client:post("will", tostring(i), { qos = i % 2 }) end
        client:close { timeout = 10, will = true }
      ]], protocol)
      finish(pid)
      local expected = {}
      for i = 1, 300 do
        expected[i] = tostring(i)
      end
      expected[301] = will
      local found = published("mark " .. number)
      table.sort(found, function(one, other) return (tonumber(one) or 1000) < (tonumber(other) or 1000) end)
      assert.same(expected, found)
    end)
  end

  it("refuses what close does not know", function()
    local client = holdfast.new { server = "mqtt://127.0.0.1:1" }
    assert.has_error(function() client:close { wil = true } end)
    assert.has_error(function() client:close { will = 1 } end)
    assert.has_error(function() client:close { timeout = -1 } end)
    assert.equal("idle", client:status().state)
    assert.is_true(client:close {})
  end)
end)

describe("what a client with a will ends by itself #broker", function()
  local broker, client

  before_each(function()
    broker = scripted.listen()
  end)

  after_each(function()
    client:close()
    broker:close()
  end)

  local function connect(options)
    options.server = "mqtt://127.0.0.1:" .. broker.port
    options.will = { topic = "will", payload = "gone" }
    client = holdfast.new(options)
    client:subscribe("a", { qos = 1 })
    client:start()
    return broker:welcome()
  end

  -- What comes before the end, but for PINGREQ and PUBACK.
  local function last_words(connection, is_mute)
    local words = {}
    local deadline = process.now() + 10000
    while process.now() < deadline do
      holdfast.sleep(0.02)
      local packet, why = connection:packet(10)
      if packet and packet.type == "pingreq" then
        if not is_mute then
          connection:send("pingresp", "")
        end
      elseif packet and packet.type ~= "puback" then
        words[#words + 1] = packet.type == "disconnect" and ("disconnect %d"):format(packet.code) or packet.type
      elseif not packet and why ~= "timeout" then
        return words
      end
    end
    error "it does not end"
  end

  if transport.name() == "native" then -- Paho leaves such a broker itself: docs/transports/paho.md
    it("ends without a goodbye: no PINGRESP", function()
      local connection = connect { keep_alive = 1 }
      connection:suback(connection:expect("subscribe").id, 1)
      assert.same({}, last_words(connection, true))
    end)
  end

  it("ends without a goodbye: a protocol error", function()
    local connection = connect {}
    connection:suback(connection:expect("subscribe").id, 1)
    local identifier = scripted.one(11, 1)
    connection:publish { topic = "a", payload = "x", properties = { identifier, identifier, identifier } }
    assert.same({}, last_words(connection))
  end)

  for _, protocol in ipairs { 5, 4 } do
    it(("ends without a word: subscribe_timeout, MQTT %d"):format(protocol), function()
      local lost
      local connection = connect { protocol = protocol, connect_timeout = 1, backoff = { min = 30 } }
      client:on("lost", function(event) lost = event.reason.name end)
      assert.same({ "subscribe" }, last_words(connection))
      holdfast.sleep(0.1)
      assert.equal("subscribe_timeout", lost)
    end)

    it(("ends without a goodbye: slow_consumer, MQTT %d"):format(protocol), function()
      if transport.name() == "native" then
        return -- it holds acknowledgements back instead
      end
      local connection = connect { protocol = protocol, inbox = { messages = 2 } }
      connection:suback(connection:expect("subscribe").id, 1)
      for i = 1, 3 do
        connection:publish { topic = "a", payload = tostring(i), qos = 1, id = i }
      end
      process.sleep(200) -- nobody is there to take them
      assert.same(protocol == 5 and { "disconnect 4" } or {}, last_words(connection))
    end)
  end
end)
