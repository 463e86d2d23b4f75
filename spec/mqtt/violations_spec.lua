-- Every way in which a packet breaks the protocol by itself: its DISCONNECT code (MQTT 5 section 4.13) and its name.
local bytes = require "spec.support.bytes"
local mqtt = require "mqtt_probe"

local hex, two, text, packet, measured = bytes.hex, bytes.two, bytes.text, bytes.packet, bytes.measured

local MALFORMED, PROTOCOL_ERROR, ALIAS_INVALID, TOO_LARGE = 0x81, 0x82, 0x94, 0x95

-- { protocol, bytes, code, text }; of the bytes the fewest that tell.
local BROKEN = {
  { 5, hex "00", MALFORMED, "packet of the reserved type 0" },
  { 4, hex "0F", MALFORMED, "packet of the reserved type 0" },
  { 5, hex "10", PROTOCOL_ERROR, "CONNECT from a broker" },
  { 4, hex "82", PROTOCOL_ERROR, "SUBSCRIBE from a broker" },
  { 5, hex "A2", PROTOCOL_ERROR, "UNSUBSCRIBE from a broker" },
  { 4, hex "C0", PROTOCOL_ERROR, "PINGREQ from a broker" },
  { 4, hex "E0", PROTOCOL_ERROR, "DISCONNECT from a broker of MQTT 3.1.1" },
  { 4, hex "F0", MALFORMED, "AUTH in MQTT 3.1.1" },

  { 5, hex "30 80 80 80 80", MALFORMED, "PUBLISH with a malformed Remaining Length" },
  { 4, hex "20 FF FF FF FF", MALFORMED, "CONNACK with a malformed Remaining Length" },
  { 5, hex "D0 80 00", MALFORMED, "PINGRESP with a malformed Remaining Length" },
  { 5, hex "40 82 80 00", MALFORMED, "PUBACK with a malformed Remaining Length" },
  { 4, hex "D0 01", MALFORMED, "PINGRESP with bytes after its end" },
  { 5, hex "D0 80 80 80 01", MALFORMED, "PINGRESP with bytes after its end" },
  { 4, hex "40 03", MALFORMED, "PUBACK with bytes after its end" },
  { 4, hex "50 04", MALFORMED, "PUBREC with bytes after its end" },
  { 4, hex "62 03", MALFORMED, "PUBREL with bytes after its end" },
  { 4, hex "70 03", MALFORMED, "PUBCOMP with bytes after its end" },
  { 4, hex "B0 03", MALFORMED, "UNSUBACK with bytes after its end" },

  { 4, hex "20 01 00", MALFORMED, "CONNACK that ends too early" },
  { 5, hex "20 00", MALFORMED, "CONNACK that ends too early" },
  { 4, hex "20 02 02 00", MALFORMED, "CONNACK with reserved flags set" },
  { 5, hex "20 03 81 00 00", MALFORMED, "CONNACK with reserved flags set" },
  { 4, hex "20 02 01 05", PROTOCOL_ERROR, "CONNACK with Session Present and a refusal" },
  { 5, hex "20 03 01 87 00", PROTOCOL_ERROR, "CONNACK with Session Present and a refusal" },
  { 4, hex "20 03 00 00 00", MALFORMED, "CONNACK with bytes after its end" },
  { 4, hex "20 03 00 05 01", MALFORMED, "CONNACK with a malformed Property Length" },
  { 5, hex "20 02 00 00", MALFORMED, "CONNACK with a malformed Property Length" },
  { 5, hex "20 04 00 00 00 00", MALFORMED, "CONNACK with bytes after its end" },

  { 5, hex "36", MALFORMED, "PUBLISH with QoS 3" },
  { 4, hex "3F", MALFORMED, "PUBLISH with QoS 3" },
  { 5, hex "38", MALFORMED, "PUBLISH with QoS 0 and DUP" },
  { 4, hex "39", MALFORMED, "PUBLISH with QoS 0 and DUP" },
  { 4, hex "30 00", MALFORMED, "PUBLISH that ends before its Topic Name does" },
  { 4, hex "30 01 00", MALFORMED, "PUBLISH that ends before its Topic Name does" },
  { 5, hex "30 04 00 03 61 61", MALFORMED, "PUBLISH that ends before its Topic Name does" },
  { 4, packet(0x30, text "a/\0"), MALFORMED, "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 5, packet(0x30, text "\0", "\0"), MALFORMED, "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 5, packet(0x30, text "long enough \0 to be", "\0"), MALFORMED,
    "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 4, packet(0x30, text "a\255"), MALFORMED, "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 4, packet(0x30, text "\192\175"), MALFORMED, "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 5, packet(0x30, text "\237\160\128", "\0"), MALFORMED,
    "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 5, packet(0x30, text "\244\144\128\128", "\0"), MALFORMED,
    "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 4, packet(0x30, text "\226\130"), MALFORMED, "PUBLISH with a Topic Name that is not UTF-8, or has U+0000" },
  { 4, packet(0x30, text "a/+"), PROTOCOL_ERROR, "PUBLISH with a wildcard in its Topic Name" },
  { 5, packet(0x30, text "#", "\0"), PROTOCOL_ERROR, "PUBLISH with a wildcard in its Topic Name" },
  { 4, packet(0x30, text ""), PROTOCOL_ERROR, "PUBLISH with an empty Topic Name" },
  { 5, packet(0x30, text "", "\0"), PROTOCOL_ERROR, "PUBLISH with neither a Topic Name nor a Topic Alias" },
  { 4, packet(0x32, text "a", two(0)), PROTOCOL_ERROR, "PUBLISH with Packet Identifier 0" },
  { 5, packet(0x34, text "a", two(0), "\0"), PROTOCOL_ERROR, "PUBLISH with Packet Identifier 0" },
  { 4, packet(0x32, text "a", "\1"), MALFORMED, "PUBLISH that ends too early" },
  { 5, packet(0x30, text "a"), MALFORMED, "PUBLISH with a malformed Property Length" },
  { 5, packet(0x30, text "a", "\128"), MALFORMED, "PUBLISH with a malformed Property Length" },
  { 5, packet(0x30, text "a", "\2\0"), MALFORMED, "PUBLISH with a malformed Property Length" },
  { 5, packet(0x30, text "a", "\128\0"), MALFORMED, "PUBLISH with a malformed Property Length" },
  { 5, packet(0x30, text "a", "\255\255\255\255\1"), MALFORMED, "PUBLISH with a malformed Property Length" },
  { 5, packet(0x30, text "a", measured "\11\128\0"), MALFORMED, "PUBLISH with a malformed Subscription Identifier" },
  { 5, packet(0x30, text "a", measured "\11\255\255\255\255\1"), MALFORMED,
    "PUBLISH with a malformed Subscription Identifier" },
  { 5, packet(0x30, text "a", measured "\166\0\0\0\0\0"), MALFORMED, "PUBLISH with an unknown property" },

  { 5, packet(0x40, two(1), "\0\0\0"), MALFORMED, "PUBACK with bytes after its end" },
  { 5, packet(0x90, two(1), "\0"), PROTOCOL_ERROR, "SUBACK without a Reason Code" },
  { 4, packet(0x90, two(1)), PROTOCOL_ERROR, "SUBACK without a Reason Code" },
  { 5, packet(0xB0, two(1), "\0"), PROTOCOL_ERROR, "UNSUBACK without a Reason Code" },
  { 5, packet(0x90, two(1)), MALFORMED, "SUBACK with a malformed Property Length" },
  { 5, packet(0xB0, two(1)), MALFORMED, "UNSUBACK with a malformed Property Length" },
  { 5, packet(0xE0, "\0\0\0"), MALFORMED, "DISCONNECT with bytes after its end" },
  { 5, packet(0xE0, "\0\1"), MALFORMED, "DISCONNECT with a malformed Property Length" },
  { 5, packet(0xF0, "\24"), MALFORMED, "AUTH with a malformed Property Length" },
  { 5, packet(0xF0, "\25\0"), PROTOCOL_ERROR, "AUTH with a Reason Code that it may not have" },
  { 5, packet(0xF0, "\24\0"), PROTOCOL_ERROR, "AUTH without an Authentication Method" },
  { 5, packet(0xF0, "\0", measured("\21" .. text "way"), "\0"), MALFORMED, "AUTH with bytes after its end" },
}

local ANSWERS = { PUBACK = 0x40, PUBREC = 0x50, PUBREL = 0x62, PUBCOMP = 0x70, SUBACK = 0x90, UNSUBACK = 0xB0 }
for name, first in pairs(ANSWERS) do
  for _, protocol in ipairs { 4, 5 } do
    local rest = (name == "SUBACK" or protocol == 5 and name == "UNSUBACK") and "\0\0" or ""
    BROKEN[#BROKEN + 1] = { protocol, packet(first, two(0), rest), PROTOCOL_ERROR, name .. " with Packet Identifier 0" }
    BROKEN[#BROKEN + 1] = { protocol, packet(first, "\1"), MALFORMED, name .. " that ends too early" }
    BROKEN[#BROKEN + 1] = { protocol, packet(first, ""), MALFORMED, name .. " that ends too early" }
  end
end

local FLAGS = { CONNACK = 0x20, PINGRESP = 0xD0, DISCONNECT = 0xE0, AUTH = 0xF0 }
for name, first in pairs(ANSWERS) do
  FLAGS[name] = first
end
for name, first in pairs(FLAGS) do
  for other = first - first % 16, first - first % 16 + 15 do
    if other ~= first then
      BROKEN[#BROKEN + 1] = { 5, string.char(other), MALFORMED, name .. " with flags that it may not have" }
    end
  end
end

describe("a violation", function()
  for i, case in ipairs(BROKEN) do
    local protocol, given, code, name = case[1], case[2], case[3], case[4]
    it(("%d, protocol %d: %s"):format(i, protocol, name), function()
      local wanted = { "violation", code, name }
      assert.are.same(wanted, { mqtt.read(protocol, given) })
      assert.are.same(wanted, { mqtt.read(protocol, given .. "\0\255\0") })
      -- One byte earlier nothing was wrong, unless the packet's own bytes say so.
      for length = 0, #given - 1 do
        assert.are.equal("more", (mqtt.read(protocol, given:sub(1, length))))
      end
    end)
  end

  it("is a packet that is too large, as soon as its length has come", function()
    for name, first in pairs { PUBLISH = 0x30, CONNACK = 0x20, SUBACK = 0x90 } do
      for _, protocol in ipairs { 4, 5 } do
        local wanted = { "violation", TOO_LARGE, name .. " larger than the Maximum Packet Size" }
        assert.are.same({ "more", 0 }, { mqtt.read(protocol, string.char(first, 0x80), 100) })
        assert.are.same(wanted, { mqtt.read(protocol, string.char(first, 0x80, 0x01), 100) })
        assert.are.same({ "more", 131 }, { mqtt.read(protocol, string.char(first, 0x80, 0x01), 131) })
        assert.are.same(wanted, { mqtt.read(protocol, string.char(first, 0xFF, 0xFF, 0xFF, 0x7F), 268435459) })
      end
    end
  end)

  it("is a Reason Code that an acknowledgement may not have", function()
    local allowed = { PUBACK = { 0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99 }, PUBREL = { 0x00, 0x92 } }
    allowed.PUBREC, allowed.PUBCOMP = allowed.PUBACK, allowed.PUBREL
    for name, codes in pairs(allowed) do
      local known = {}
      for _, code in ipairs(codes) do
        known[code] = true
      end
      for code = 0, 255 do
        for _, rest in ipairs { "", "\0" } do
          local kind, result, why = mqtt.read(5, packet(ANSWERS[name], two(1), string.char(code), rest))
          if known[code] then
            assert.are.same({ "packet", code }, { kind, result.code })
          else
            assert.are.same({ "violation", PROTOCOL_ERROR, name .. " with a Reason Code that it may not have" },
              { kind, result, why })
          end
        end
      end
    end
  end)
end)

-- ---- properties, each in each packet (MQTT 5 section 2.2.2.2) ----

local ANSWER_PROPERTIES = { [31] = true, [38] = true }

local function with(...)
  local set = { [31] = true, [38] = true }
  for _, identifier in ipairs { ... } do
    set[identifier] = true
  end
  return set
end

-- What comes before the properties, and after them; what a broker may send in them.
local CARRIERS = {
  CONNACK = { 0x20, "\0\0", "", with(17, 18, 19, 21, 22, 26, 28, 33, 34, 36, 37, 39, 40, 41, 42) },
  PUBLISH = { 0x30, text "a", "", { true, true, true, [8] = true, [9] = true, [11] = true, [35] = true, [38] = true } },
  PUBACK = { 0x40, "\0\1\0", "", ANSWER_PROPERTIES },
  PUBREC = { 0x50, "\0\1\0", "", ANSWER_PROPERTIES },
  PUBREL = { 0x62, "\0\1\0", "", ANSWER_PROPERTIES },
  PUBCOMP = { 0x70, "\0\1\0", "", ANSWER_PROPERTIES },
  SUBACK = { 0x90, "\0\1", "\0", ANSWER_PROPERTIES },
  UNSUBACK = { 0xB0, "\0\1", "\0", ANSWER_PROPERTIES },
  DISCONNECT = { 0xE0, "\0", "", with(28) },
  AUTH = { 0xF0, "\0", "", with(21, 22) },
}

-- Name, a value, and values that are not allowed with their code; `repeats` says that it may be there twice.
local PROPERTIES = {
  [1] = { "Payload Format Indicator", "\1" },
  [2] = { "Message Expiry Interval", "\0\0\0\1" },
  [3] = { "Content Type", text "t" },
  [8] = { "Response Topic", text "r" },
  [9] = { "Correlation Data", text "\0" },
  [11] = { "Subscription Identifier", "\1", { "\0" }, repeats = true },
  [17] = { "Session Expiry Interval", "\0\0\0\1" },
  [18] = { "Assigned Client Identifier", text "c" },
  [19] = { "Server Keep Alive", "\0\1" },
  [21] = { "Authentication Method", text "m" },
  [22] = { "Authentication Data", text "\0" },
  [23] = { "Request Problem Information", "\1" },
  [24] = { "Will Delay Interval", "\0\0\0\1" },
  [25] = { "Request Response Information", "\1" },
  [26] = { "Response Information", text "i" },
  [28] = { "Server Reference", text "s" },
  [31] = { "Reason String", text "why" },
  [33] = { "Receive Maximum", "\0\1", { "\0\0" } },
  [34] = { "Topic Alias Maximum", "\0\1" },
  [35] = { "Topic Alias", "\0\1", { "\0\0" }, code = ALIAS_INVALID },
  [36] = { "Maximum QoS", "\1", { "\2", "\255" } },
  [37] = { "Retain Available", "\1", { "\2", "\255" } },
  [38] = { "User Property", text "k" .. text "v", repeats = true },
  [39] = { "Maximum Packet Size", "\0\0\0\1", { "\0\0\0\0" } },
  [40] = { "Wildcard Subscription Available", "\1", { "\2" } },
  [41] = { "Subscription Identifier Available", "\1", { "\2" } },
  [42] = { "Shared Subscription Available", "\1", { "\2" } },
}
local TEXTS = { [3] = true, [8] = true, [18] = true, [21] = true, [26] = true, [28] = true, [31] = true, [38] = true }

for packet_name, carrier in pairs(CARRIERS) do
  describe("properties of " .. packet_name, function()
    local first, before, behind, allowed = carrier[1], carrier[2], carrier[3], carrier[4]

    -- Whatever else the packet must have, in front.
    local function read(identifier, properties)
      if packet_name == "AUTH" and identifier ~= 21 then
        properties = "\21" .. text "way" .. properties
      end
      return { mqtt.read(5, packet(first, before, measured(properties), behind)) }
    end

    local function violation(code, name)
      return { "violation", code, packet_name .. " " .. name }
    end

    for identifier, property in pairs(PROPERTIES) do
      local name, one = property[1], string.char(identifier) .. property[2]
      if allowed[identifier] then
        it(name .. " may be there", function()
          assert.are.equal("packet", read(identifier, one)[1])
        end)

        if not property.repeats then
          it(name .. " may be there once", function()
            assert.are.same(violation(PROTOCOL_ERROR, "with two of " .. name), read(identifier, one .. one))
          end)
        else
          it(name .. " may be there often", function()
            assert.are.equal("packet", read(identifier, one:rep(3))[1])
          end)
        end

        it(name .. " must be there whole", function()
          for length = 1, #one - 1 do
            assert.are.same(violation(MALFORMED, "with a malformed " .. name), read(identifier, one:sub(1, length)))
          end
        end)

        if property[3] then
          it(name .. " must be in its range", function()
            local wanted = violation(property.code or PROTOCOL_ERROR,
              "with a value of " .. name .. " that is not allowed")
            for _, value in ipairs(property[3]) do
              assert.are.same(wanted, read(identifier, string.char(identifier) .. value))
            end
          end)
        end

        if TEXTS[identifier] then
          it(name .. " must be UTF-8 without U+0000", function()
            for _, bad in ipairs { "\0", "a\0", "\255", "\192\128", "\237\160\128", "\244\144\128\128", "\226\130" } do
              local values = identifier == 38 and { text(bad) .. text "v", text "k" .. text(bad) } or { text(bad) }
              for _, value in ipairs(values) do
                assert.are.same(violation(MALFORMED, "with a malformed " .. name),
                  read(identifier, string.char(identifier) .. value))
              end
            end
          end)
        end
      else
        it(name .. " may not be there", function()
          assert.are.same(violation(MALFORMED, "with " .. name .. ", which it may not have"), read(identifier, one))
        end)
      end
    end

    it("are none that nobody has assigned", function()
      for identifier = 0, 255 do
        if not PROPERTIES[identifier] then
          assert.are.same(violation(MALFORMED, "with an unknown property"),
            read(identifier, string.char(identifier) .. "\1\1\1\1\1\1"))
        end
      end
    end)
  end)
end
