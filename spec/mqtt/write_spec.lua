-- What csrc/mqtt writes, byte by byte (MQTT 5 and 3.1.1, sections 3.1 to 3.14).
local bytes = require "spec.support.bytes"
local mqtt = require "mqtt_probe"

local hex, two, four, text, pair = bytes.hex, bytes.two, bytes.four, bytes.text, bytes.pair
local packet, measured = bytes.packet, bytes.measured

local PUBACK, PUBREC, PUBREL, PUBCOMP = 4, 5, 6, 7

describe("writing CONNECT", function()
  local WHOLE = {
    client_id = "kitchen", username = "user", password = "pass\0word", keep_alive = 300, clean_start = true,
    session_expiry = 4294967295, receive_maximum = 20, maximum_packet_size = 4096, topic_alias_maximum = 16,
    properties = { user = { { "made", "here" }, { "made", "there" } } },
    will_topic = "status", will_payload = "gone\0", will_qos = 2, will_retain = true,
    will_properties = { will_delay = 5, payload_format = 1, message_expiry = 60, content_type = "text/plain",
      response_topic = "answers", correlation_data = "\0\1", user = { { "k", "v" } } },
  }

  it("says in MQTT 5 all that it is given", function()
    local properties = "\38" .. pair("made", "here") .. "\38" .. pair("made", "there") .. "\17" .. four(4294967295)
      .. "\33" .. two(20) .. "\39" .. four(4096) .. "\34" .. two(16)
    local will = "\1\1" .. "\2" .. four(60) .. "\3" .. text "text/plain" .. "\8" .. text "answers"
      .. "\9" .. text "\0\1" .. "\38" .. pair("k", "v") .. "\24" .. four(5)
    assert.are.equal(packet(0x10, text "MQTT", "\5\246", two(300), measured(properties), text "kitchen",
      measured(will), text "status", text "gone\0", text "user", text "pass\0word"), mqtt.connect(WHOLE))
  end)

  it("says in MQTT 3.1.1 what that knows", function()
    local fields = setmetatable({ protocol = 4 }, { __index = WHOLE })
    assert.are.equal(packet(0x10, text "MQTT", "\4\246", two(300), text "kitchen", text "status", text "gone\0",
      text "user", text "pass\0word"), mqtt.connect(fields))
  end)

  it("says no more than needed", function()
    assert.are.equal(packet(0x10, text "MQTT", "\5\0\0\0", "\0", text ""), mqtt.connect {})
    assert.are.equal(packet(0x10, text "MQTT", "\5\4\0\9", "\0", text "c", "\0", text "w", text ""),
      mqtt.connect { client_id = "c", keep_alive = 9, will_topic = "w" })
    assert.are.equal(packet(0x10, text "MQTT", "\5\128\0\0", "\0", text "", text ""), mqtt.connect { username = "" })
    assert.are.equal(packet(0x10, text "MQTT", "\5\64\0\0", "\0", text "", text ""), mqtt.connect { password = "" })
  end)

  it("wants a clean session of MQTT 3.1.1 where none is to be found, or none to be kept", function()
    for _, case in ipairs { { 0, false, 2 }, { 60, false, 0 }, { 60, true, 2 }, { 0, true, 2 } } do
      assert.are.equal(packet(0x10, text "MQTT", "\4", string.char(case[3]), two(0), text "c"), mqtt.connect {
        protocol = 4, client_id = "c", session_expiry = case[1], clean_start = case[2] })
    end
  end)

  it("says the QoS of a will and whether it is retained", function()
    for qos = 0, 2 do
      local flags = 4 + 8 * qos
      assert.are.equal(flags, mqtt.connect { will_topic = "w", will_qos = qos }:byte(10))
      assert.are.equal(flags + 32, mqtt.connect { will_topic = "w", will_qos = qos, will_retain = true }:byte(10))
    end
  end)

  it("writes lengths of every size", function()
    for _, size in ipairs { 100, 127, 128, 16384, 65535 } do
      local name = ("n"):rep(size)
      assert.are.equal(packet(0x10, text "MQTT", "\5\0\0\0", measured("\38" .. pair(name, "")), text ""),
        mqtt.connect { properties = { user = { { name, "" } } } })
    end
  end)
end)

describe("writing PUBLISH", function()
  it("says in both protocols what it is", function()
    local fields = { protocol = 4, topic = "a/b", payload = "x\0" }
    assert.are.equal(packet(0x30, text "a/b", "x\0"), mqtt.publish(fields))
    fields.protocol, fields.qos, fields.retain, fields.packet_id = 5, 1, true, 513
    assert.are.equal(packet(0x33, text "a/b", "\2\1", "\0", "x\0"), mqtt.publish(fields))
    fields.protocol, fields.qos, fields.duplicate = 4, 2, true
    assert.are.equal(packet(0x3D, text "a/b", "\2\1", "x\0"), mqtt.publish(fields))
  end)

  it("says in MQTT 5 what else belongs to it", function()
    local properties = { payload_format = 0, message_expiry = 0, content_type = "", response_topic = "r",
      correlation_data = "c", user = { { "k", "v" }, { "k", "w" } } }
    local written = "\1\0\2" .. four(0) .. "\3" .. text "" .. "\8" .. text "r" .. "\9" .. text "c"
      .. "\38" .. pair("k", "v") .. "\38" .. pair("k", "w")
    assert.are.equal(packet(0x30, text "t", measured(written), "x"),
      mqtt.publish { topic = "t", payload = "x", properties = properties })
    assert.are.equal(packet(0x30, text "t", "x"),
      mqtt.publish { protocol = 4, topic = "t", payload = "x", properties = properties })
    assert.are.equal(packet(0x30, text "t", measured("\35\1\2" .. written), "x"),
      mqtt.publish { topic = "t", payload = "x", properties = properties, alias = 258 })
  end)

  it("lets an alias stand for the topic", function()
    assert.are.equal(packet(0x30, text "topic", "\3\35\0\7", "x"),
      mqtt.publish { topic = "topic", payload = "x", alias = 7 })
    assert.are.equal(packet(0x32, text "", two(9), "\3\35\255\255", "x"),
      mqtt.publish { topic = "topic", payload = "x", qos = 1, packet_id = 9, alias = 65535, aliased = true })
  end)

  it("writes lengths of every size, and reads them", function()
    for _, protocol in ipairs { 4, 5 } do
      for _, size in ipairs { 0, 1, 120, 121, 122, 123, 124, 125, 126, 127, 128, 16380, 16384, 65535, 2097152 } do
        local payload = ("p"):rep(size)
        local kind, read = mqtt.read(protocol, mqtt.publish { protocol = protocol, topic = "t", payload = payload })
        assert.are.equal("packet", kind)
        assert.are.same({ "t", size }, { read.topic, #read.payload })
        local properties = { correlation_data = payload:sub(1, 65535) }
        kind, read = mqtt.read(5, mqtt.publish { topic = "t", payload = "", properties = properties })
        assert.are.equal("packet", kind)
        assert.are.equal(math.min(size, 65535), #read.properties.correlation_data)
      end
    end
  end)
end)

describe("writing acknowledgements", function()
  it("says type, id and, in MQTT 5, what is not success", function()
    for type, first in pairs { [PUBACK] = "\64", [PUBREC] = "\80", [PUBREL] = "\98", [PUBCOMP] = "\112" } do
      assert.are.equal(first .. "\2\1\2", mqtt.ack(type, 4, 258))
      assert.are.equal(first .. "\2\1\2", mqtt.ack(type, 5, 258, 0))
      assert.are.equal(first .. "\2\1\2", mqtt.ack(type, 4, 258, 0x92))
      assert.are.equal(first .. "\3\1\2\146", mqtt.ack(type, 5, 258, 0x92))
    end
  end)
end)

describe("writing SUBSCRIBE and UNSUBSCRIBE", function()
  it("says which filter", function()
    for qos = 0, 2 do
      assert.are.equal(packet(0x82, two(7), text "a/+", string.char(qos)),
        mqtt.subscribe { protocol = 4, packet_id = 7, filter = "a/+", qos = qos, no_local = true, retain_handling = 2,
          retain_as_published = true, identifier = 5, properties = { user = { { "k", "v" } } } })
      assert.are.equal(packet(0x82, two(7), "\0", text "a/+", string.char(qos)),
        mqtt.subscribe { packet_id = 7, filter = "a/+", qos = qos })
    end
    assert.are.equal(packet(0xA2, two(65535), text "#"),
      mqtt.unsubscribe { protocol = 4, packet_id = 65535, filter = "#", properties = { user = { { "k", "v" } } } })
    assert.are.equal(packet(0xA2, two(65535), "\0", text "#"), mqtt.unsubscribe { packet_id = 65535, filter = "#" })
  end)

  it("says in MQTT 5 how", function()
    local function options(fields)
      fields.filter = "f"
      return mqtt.subscribe(fields):byte(-1)
    end
    assert.are.equal(4, options { no_local = true })
    assert.are.equal(9, options { retain_as_published = true, qos = 1 })
    assert.are.equal(16, options { retain_handling = 1 })
    assert.are.equal(46, options { retain_handling = 2, qos = 2, no_local = true, retain_as_published = true })
  end)

  it("says in MQTT 5 the identifier and user properties", function()
    for number, written in pairs { [1] = "\1", [127] = "\127", [128] = "\128\1", [268435455] = "\255\255\255\127" } do
      assert.are.equal(packet(0x82, two(1), measured("\11" .. written .. "\38" .. pair("k", "v")), text "f", "\0"),
        mqtt.subscribe { filter = "f", identifier = number, properties = { user = { { "k", "v" } } } })
    end
    assert.are.equal(packet(0xA2, two(1), measured("\38" .. pair("k", "v")), text "f"),
      mqtt.unsubscribe { filter = "f", identifier = 3, properties = { user = { { "k", "v" } } } })
  end)
end)

describe("writing the rest", function()
  it("is PINGREQ", function()
    assert.are.equal(hex "C0 00", mqtt.pingreq())
  end)

  it("is DISCONNECT, which in MQTT 3.1.1 says nothing", function()
    assert.are.equal(hex "E0 00", mqtt.disconnect(5, 0))
    assert.are.equal(hex "E0 01 04", mqtt.disconnect(5, 4))
    assert.are.equal(hex "E0 07 00 05 11 00 00 00 00", mqtt.disconnect(5, 0, 0))
    assert.are.equal(packet(0xE0, "\129", measured("\17" .. four(4294967295) .. "\31" .. text "why")),
      mqtt.disconnect(5, 0x81, 4294967295, "why"))
    assert.are.equal(packet(0xE0, "\130", measured("\31" .. text "")), mqtt.disconnect(5, 0x82, -1, ""))
    assert.are.equal(hex "E0 00", mqtt.disconnect(4, 0x81, 9, "why"))
  end)
end)
