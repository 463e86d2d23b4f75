-- Packets of our own link that come and go in pieces.
local bytes = require "spec.support.bytes"
local worlds = require "spec.support.scripted_world"

describe("packets of our own link", function()
  local world, link

  before_each(function()
    world = worlds.new { session_expiry = 60 }
    link = world.link
  end)
  after_each(function() world:finish() end)

  local function connect()
    return world:connect()
  end

  for _, piece in ipairs { 0, 1, 2, 3, 7 } do
    it(("mean the same %s"):format(piece == 0 and "all at once" or piece .. " bytes at a time"), function()
      link:open(world.options)
      link:opened()
      link:piece(piece)
      link:feed(world:connack { properties = "\34\0\5" })
      link:feed(world:publish(0, nil, "topic", ("x"):rep(90)))
      link:feed(world:publish(1, 5, "topic", ""))
      link:feed(world.PINGRESP .. world:ack("pubrel", 9))
      link:feed(world:publish(2, 6, "topic", ("y"):rep(2000)))
      link:feed(world:publish(1, 7, "t", "last"))
      link:feed(bytes.hex "36")
      link:run()
      assert.same({ "connected", "message " .. ("x"):rep(90) .. " q0", "message  q1 r1", "message 2000 bytes q2 r1",
        "message last q1 r2", "down malformed_packet: PUBLISH with QoS 3" }, (world:told()))
      assert.same({ "connect", "pubcomp 9 0x92", "disconnect 0x81" }, world:sent())
    end)
  end

  it("of one read are told as they were sent, however many there are and whatever they carry", function()
    connect()
    local packets, wanted = {}, {}
    local given = { [3] = "\11\5", [6] = "\11\5\11\6", [8] = "\38\0\1k\0\1v\11\7" }
    for n = 1, 150 do
      local qos, topic = n % 2, n % 10 < 7 and "one/topic" or "topic/" .. n
      local payload = (tostring(n) .. " "):rep(n % 12 == 0 and 400 or n % 5)
      packets[n] = world:publish(qos, qos == 1 and n or nil, topic, payload, { properties = given[n % 12] })
      local identifiers = { [3] = { 5 }, [6] = { 5, 6 }, [8] = { 7 } }
      wanted[n] = { topic, payload, qos, identifiers[n % 12] or {}, n % 12 == 8 and "v" or nil }
    end
    world:get(table.concat(packets))
    local _, mails = world:told()
    assert.equal(150, #mails)
    for n, mail in ipairs(mails) do
      local properties = mail.properties or { identifiers = {}, user = {} }
      local user = properties.user[1]
      assert.same(wanted[n], { mail.topic, mail.payload, mail.qos, properties.identifiers, user and user[2] })
    end
  end)

  it("end where a read ends, just before it and just behind it", function()
    connect()
    for _, length in ipairs { 65535, 65536, 65537, 131071, 131072, 131073, 65536 * 3 + 1 } do
      local head = #world:publish(0, nil, "a", ("x"):rep(length - 10)) - (length - 10)
      local payload = ("0123456789"):rep(30000):sub(1, length - head)
      local packet = world:publish(0, nil, "a", payload)
      assert.equal(length, #packet)
      world:get(packet, world:publish(0, nil, "a", "next"), packet:sub(1, 1))
      world:get(packet:sub(2))
      local told, mails = world:told()
      assert.equal(3, #told, length)
      assert.is_true(mails[1].payload == payload and mails[3].payload == payload)
      assert.equal("next", mails[2].payload)
    end
  end)

  it("of 20 MB come whole, however they come", function()
    connect()
    local payload = ("0123456789abcdef"):rep(20 * 65536)
    local packet = world:publish(1, 1, "a", payload)
    local at = 1
    while at <= #packet do
      local size = at % 70001 + 1
      world:get(packet:sub(at, at + size - 1))
      at = at + size
    end
    local _, mails = world:told()
    assert.is_true(mails[1].payload == payload)
    world:get(packet)
    assert.same({}, (world:told())) -- it is the same message
  end)

  it("that are too large are left as soon as they are announced", function()
    world.options.maximum_packet_size = 1000
    connect()
    world:get(bytes.hex "30 E9 07")
    assert.same({ "down packet_too_large: PUBLISH larger than the Maximum Packet Size" }, (world:told()))
    assert.same({ "disconnect 0x95" }, world:sent())
  end)

  it("go out whole, one byte at a time", function()
    world.options.password = ("p"):rep(60000)
    link:open(world.options)
    link:opened()
    for _ = 1, 100 do
      link:accept(1)
      link:run()
    end
    assert.same({}, world:sent())
    link:accept()
    link:run()
    assert.same({ "connect" }, world:sent())
    world:get(world:connack())
    link:accept(0)
    local payload = ("0123456789"):rep(2000)
    link:publish(1, "a", "small", 1)
    link:publish(2, "a", payload, 1)
    link:subscribe(3, "filter")
    link:publish(4, "a", payload, 0)
    link:probe(5)
    local begun = link:now()
    for _ = 1, 50000 do
      link:accept(1)
      link:run()
    end
    assert.equal(begun, link:now())
    local words = {}
    for i, packet in ipairs(world:sent()) do words[i] = packet:gsub("^(%l+) %d+", "%1") end
    assert.same({ "publish q1 a=small", "publish q1 a=20000 bytes", "subscribe", "publish q0 a=20000 bytes",
      "pingreq" }, words)
    assert.same({ "connected", "delivered 4 ok" }, (world:told()))
  end)
end)
