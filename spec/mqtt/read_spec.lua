-- What csrc/mqtt reads of sound packets, whole, cut off, and one after the other.
local bytes = require "spec.support.bytes"
local mqtt = require "mqtt_probe"

local hex, two, four, text, pair = bytes.hex, bytes.two, bytes.four, bytes.text, bytes.pair
local packet, measured = bytes.packet, bytes.measured

-- What is absent has these values (MQTT 5 section 3.2.2.3); -1: has_... is false.
local function found(properties)
  local all = { user_count = 0, subscription_identifier_count = 0, session_expiry = -1, server_keep_alive = -1,
    message_expiry = -1, payload_format = -1, topic_alias = -1, maximum_packet_size = 0, receive_maximum = 65535,
    topic_alias_maximum = 0, maximum_qos = 2, retain_available = true, wildcard_available = true,
    identifiers_available = true, shared_available = true }
  for name, value in pairs(properties or {}) do
    all[name] = value
  end
  return all
end

local function expected(fields)
  local all = { qos = 0, duplicate = false, retain = false, session_present = false, code = 0, packet_id = 0 }
  for name, value in pairs(fields) do
    all[name] = value
  end
  all.properties = found(fields.properties)
  return all
end

local function read(protocol, given)
  local kind, result, why = mqtt.read(protocol, given)
  assert(kind == "packet", tostring(kind) .. " " .. tostring(result) .. " " .. tostring(why))
  return result
end

local REASON = "\31" .. text "why" .. "\38" .. pair("a", "b") .. "\38" .. pair("a", "")
local REASONED = { block = REASON, reason_string = "why", user_count = 2 }
local REASONS = { reason_string = "why", user = { { "a", "b" }, { "a", "" } } }

local CONNACK = "\17" .. four(4294967295) .. "\33" .. two(7) .. "\36\1" .. "\37\0" .. "\39" .. four(1000) .. "\18"
  .. text "assigned" .. "\34" .. two(9) .. REASON .. "\40\0\41\0\42\0" .. "\19" .. two(44) .. "\26" .. text "here"
  .. "\28" .. text "there" .. "\21" .. text "way" .. "\22" .. text "\0\255"
local PUBLISH = "\1\1" .. "\2" .. four(60) .. "\3" .. text "type" .. "\8" .. text "answers" .. "\9" .. text "\0\1"
  .. "\11\5" .. "\35" .. two(3) .. "\11\255\255\255\127" .. "\38" .. pair("k", "v")

-- { what it is, protocol, bytes, what is read (length and `block` aside), what an application sees }
local SOUND = {
  { "CONNACK", 4, hex "20 02 00 00", { type = "connack" } },
  { "CONNACK with a session", 4, hex "20 02 01 00", { type = "connack", session_present = true } },
  { "CONNACK that refuses", 4, hex "20 02 00 05", { type = "connack", code = 5 } },
  { "CONNACK with a code that is not assigned", 4, hex "20 02 00 FE", { type = "connack", code = 254 } },
  { "CONNACK of MQTT 5 that refuses 3.1.1", 4, packet(0x20, "\0\132", measured("\31" .. text "5 only")),
    { type = "connack", code = 0x84, properties = { block = "\31" .. text "5 only", reason_string = "5 only" } },
    { reason_string = "5 only" } },
  { "CONNACK", 5, hex "20 03 00 00 00", { type = "connack", properties = { block = "" } } },
  { "CONNACK of 3.1.1 that refuses MQTT 5", 5, hex "20 02 00 01", { type = "connack", code = 1 } },
  { "CONNACK with a code that is not assigned", 5, hex "20 03 00 FE 00",
    { type = "connack", code = 254, properties = { block = "" } } },
  { "CONNACK with every property", 5, packet(0x20, "\1\0", measured(CONNACK)), { type = "connack",
    session_present = true, properties = { block = CONNACK, session_expiry = 4294967295, receive_maximum = 7,
      maximum_qos = 1, retain_available = false, maximum_packet_size = 1000, assigned_client_id = "assigned",
      topic_alias_maximum = 9, reason_string = "why", user_count = 2, wildcard_available = false,
      identifiers_available = false, shared_available = false, server_keep_alive = 44, response_information = "here",
      server_reference = "there", authentication_method = "way", authentication_data = "\0\255" } },
    { reason_string = "why", user = REASONS.user, server_reference = "there" } },
  { "CONNACK with properties of 0", 5, packet(0x20, "\0\0", measured("\17" .. four(0) .. "\19" .. two(0) .. "\36\0"
    .. "\34" .. two(0))), { type = "connack", properties = { block = "\17" .. four(0) .. "\19" .. two(0) .. "\36\0"
      .. "\34" .. two(0), session_expiry = 0, server_keep_alive = 0, maximum_qos = 0 } } },

  { "PUBLISH", 4, packet(0x30, text "a/b", "hello"), { type = "publish", topic = "a/b", payload = "hello" } },
  { "PUBLISH without payload", 4, packet(0x31, text "a"),
    { type = "publish", topic = "a", payload = "", retain = true } },
  { "PUBLISH at QoS 1, again", 4, packet(0x3A, text "a", two(65535), "x"),
    { type = "publish", topic = "a", payload = "x", qos = 1, duplicate = true, packet_id = 65535 } },
  { "PUBLISH at QoS 2", 4, packet(0x35, text "\195\164/\239\191\191\1", two(256)), { type = "publish",
    topic = "\195\164/\239\191\191\1", payload = "", qos = 2, retain = true, packet_id = 256 } },
  { "PUBLISH that says its length in more bytes than needed", 4, hex "30 84 80 80 00 00 01 61 78",
    { type = "publish", topic = "a", payload = "x" } },
  { "PUBLISH", 5, packet(0x30, text "a/b", "\0", "hello"),
    { type = "publish", topic = "a/b", payload = "hello", properties = { block = "" } } },
  { "PUBLISH with every property", 5, packet(0x3D, text "a", two(1), measured(PUBLISH), "\0\255"), { type = "publish",
    topic = "a", payload = "\0\255", qos = 2, duplicate = true, retain = true, packet_id = 1, properties = {
      block = PUBLISH, payload_format = 1, message_expiry = 60, content_type = "type", response_topic = "answers",
      correlation_data = "\0\1", subscription_identifier_count = 2, topic_alias = 3, user_count = 1 } },
    { payload_format = 1, message_expiry = 60, content_type = "type", response_topic = "answers",
      correlation_data = "\0\1", subscription_identifiers = { 5, 268435455 }, user = { { "k", "v" } } } },
  { "PUBLISH with an alias alone", 5, packet(0x30, text "", measured("\35" .. two(65535)), "x"), { type = "publish",
    topic = "", payload = "x", properties = { block = "\35" .. two(65535), topic_alias = 65535 } } },
  { "PUBLISH with values of 0", 5, packet(0x30, text "a", measured("\1\0\2" .. four(0) .. "\3\0\0\9\0\0")), {
    type = "publish", topic = "a", payload = "", properties = { block = "\1\0\2" .. four(0) .. "\3\0\0\9\0\0",
      payload_format = 0, message_expiry = 0, content_type = "", correlation_data = "" } },
    { payload_format = 0, message_expiry = 0, content_type = "", correlation_data = "" } },
  -- Brokers hand these on; no subscriber may be driven away with them.
  { "PUBLISH with a Response Topic that has wildcards", 5, packet(0x30, text "a", measured("\8" .. text "b/#")),
    { type = "publish", topic = "a", payload = "", properties = { block = "\8" .. text "b/#",
      response_topic = "b/#" } }, { response_topic = "b/#" } },
  { "PUBLISH with an empty Response Topic", 5, packet(0x30, text "a", measured("\8" .. text "")),
    { type = "publish", topic = "a", payload = "", properties = { block = "\8\0\0", response_topic = "" } },
    { response_topic = "" } },
  { "PUBLISH with a Payload Format Indicator of 2", 5, packet(0x30, text "a", measured "\1\2"),
    { type = "publish", topic = "a", payload = "", properties = { block = "\1\2", payload_format = -1 } } },

  { "PINGRESP", 4, hex "D0 00", { type = "pingresp" } },
  { "PINGRESP", 5, hex "D0 00", { type = "pingresp" } },
  { "SUBACK", 4, hex "90 06 00 07 00 01 02 80", { type = "suback", packet_id = 7, codes = "\0\1\2\128" } },
  { "SUBACK", 5, packet(0x90, two(7), measured(REASON), "\2\135\3\127"),
    { type = "suback", packet_id = 7, codes = "\2\135\3\127", properties = REASONED }, REASONS },
  { "UNSUBACK", 4, hex "B0 02 01 00", { type = "unsuback", packet_id = 256 } },
  { "UNSUBACK", 5, packet(0xB0, two(7), measured(REASON), "\0\17\255"),
    { type = "unsuback", packet_id = 7, codes = "\0\17\255", properties = REASONED }, REASONS },
  { "DISCONNECT", 5, hex "E0 00", { type = "disconnect" } },
  { "DISCONNECT with a code", 5, hex "E0 01 8B", { type = "disconnect", code = 0x8B } },
  { "DISCONNECT with a code that is not assigned", 5, hex "E0 01 FE", { type = "disconnect", code = 0xFE } },
  { "DISCONNECT with properties", 5, packet(0xE0, "\157", measured("\28" .. text "there" .. REASON)), {
    type = "disconnect", code = 0x9D, properties = { block = "\28" .. text "there" .. REASON,
      server_reference = "there", reason_string = "why", user_count = 2 } },
    { server_reference = "there", reason_string = "why", user = REASONS.user } },
  { "AUTH", 5, packet(0xF0, "\24", measured("\21" .. text "way" .. "\22" .. text "\0" .. REASON)), { type = "auth",
    code = 0x18, properties = { block = "\21" .. text "way" .. "\22" .. text "\0" .. REASON,
      authentication_method = "way", authentication_data = "\0", reason_string = "why", user_count = 2 } }, REASONS },
  { "AUTH of nothing", 5, hex "F0 00", { type = "auth" } },
}
for first, name in pairs { [0x40] = "puback", [0x50] = "pubrec", [0x62] = "pubrel", [0x70] = "pubcomp" } do
  local code = (first == 0x40 or first == 0x50) and 0x97 or 0x92
  local upper = name:upper()
  for _, protocol in ipairs { 4, 5 } do
    SOUND[#SOUND + 1] = { upper, protocol, packet(first, two(513)), { type = name, packet_id = 513 } }
  end
  SOUND[#SOUND + 1] = { upper .. " with a code", 5, packet(first, two(1), string.char(code)),
    { type = name, packet_id = 1, code = code } }
  SOUND[#SOUND + 1] = { upper .. " with no properties", 5, packet(first, two(1), string.char(code), "\0"),
    { type = name, packet_id = 1, code = code, properties = { block = "" } } }
  SOUND[#SOUND + 1] = { upper .. " with properties", 5, packet(first, two(1), string.char(code), measured(REASON)),
    { type = name, packet_id = 1, code = code, properties = REASONED }, REASONS }
end

describe("reading", function()
  for _, case in ipairs(SOUND) do
    local name, protocol, given, fields, application = case[1], case[2], case[3], case[4], case[5]
    local title = name .. ", protocol " .. protocol

    it(title, function()
      local wanted = expected(fields)
      wanted.length = #given
      wanted.application = application
      if wanted.type == "publish" then
        wanted.message = { topic = wanted.topic, payload = wanted.payload, qos = wanted.qos, retain = wanted.retain,
          duplicate = wanted.duplicate, properties = application }
      end
      assert.are.same(wanted, read(protocol, given))
    end)

    it(title .. ", and wants more of it as long as a byte is missing", function()
      local header = 1
      repeat
        header = header + 1
      until given:byte(header) < 128
      for length = 0, #given - 1 do
        assert.are.same({ "more", length < header and 0 or #given },
          { mqtt.read(protocol, given:sub(1, length)) }, length .. " bytes")
      end
    end)

    it(title .. ", with others behind it", function()
      assert.are.same(read(protocol, given), read(protocol, given .. given .. "\0\255"))
    end)
  end

  it("has the same packets of one read and of one byte at a time", function()
    for _, protocol in ipairs { 4, 5 } do
      local stream, wanted = "", {}
      for _, case in ipairs(SOUND) do
        if case[2] == protocol then
          stream = stream .. case[3]
          wanted[#wanted + 1] = read(protocol, case[3])
        end
      end
      local coalesced, at = {}, 1
      while at <= #stream do
        local one = read(protocol, stream:sub(at))
        coalesced[#coalesced + 1] = one
        at = at + one.length
      end
      local trickled, waiting = {}, ""
      for byte in stream:gmatch "." do
        waiting = waiting .. byte
        local kind, one = mqtt.read(protocol, waiting)
        if kind == "packet" then
          assert.are.equal(#waiting, one.length)
          trickled[#trickled + 1] = one
          waiting = ""
        else
          assert.are.equal("more", kind)
        end
      end
      assert.is_true(#wanted > 15)
      assert.are.same(wanted, coalesced)
      assert.are.same(wanted, trickled)
    end
  end)

  it("takes packets of every length that a Remaining Length can say", function()
    for _, rest in ipairs { 3, 127, 128, 16383, 16384, 2097151, 2097152 } do
      local given = packet(0x30, text "a", ("x"):rep(rest - 3))
      assert.are.equal(1 + #bytes.variable(rest) + rest, read(4, given).length)
      assert.are.same({ "more", #given }, { mqtt.read(4, given:sub(1, -2)) })
    end
    assert.are.same({ "more", 268435460 }, { mqtt.read(5, hex "30 FF FF FF 7F") })
  end)

  it("lets a packet be as large as the Maximum Packet Size", function()
    local given = packet(0x30, text "a", ("x"):rep(200))
    assert.are.equal("packet", (mqtt.read(4, given, #given)))
    assert.are.equal("more", (mqtt.read(4, given:sub(1, 3), #given)))
    assert.are.equal("violation", (mqtt.read(4, given, #given - 1)))
  end)

  for name, case in pairs {
    ["Subscription Identifiers"] = { "\11\127", "subscription_identifier_count", "subscription_identifiers" },
    ["User Properties"] = { "\38" .. pair("", ""), "user_count", "user" },
  } do
    local function given(count)
      return packet(0x30, text "a", measured(case[1]:rep(count)), "x")
    end

    it("takes 400,000 " .. name, function()
      local one = read(5, given(400000))
      assert.are.equal(400000, one.properties[case[2]])
      assert.are.equal(400000, #one.message.properties[case[3]])
      assert.are.equal("x", one.message.payload)
    end)

    it("does a hundred times the work for a hundred times the " .. name, function()
      assert.is_true(mqtt.work(5, given(400000)) <= 101 * mqtt.work(5, given(4000)))
    end)
  end

  it("does as much work for a long topic or payload as for its bytes", function()
    local short = mqtt.work(4, packet(0x30, text "a"))
    assert.is_true(mqtt.work(4, packet(0x30, text "a", ("x"):rep(1000000))) <= short + 20)
    assert.is_true(mqtt.work(4, packet(0x30, text(("\195\164"):rep(30000)))) <= short + 60000 * 10)
  end)
end)
