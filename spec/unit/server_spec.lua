-- Server addresses, good and bad.
local parse = require("holdfast.core").parse_server

describe("a server address", function()
  local good = {
    ["mqtt://localhost"] = { "localhost", 1883, false, false },
    ["mqtts://localhost"] = { "localhost", 8883, true, false },
    ["tcp://localhost"] = { "localhost", 1883, false, false },
    ["ssl://localhost"] = { "localhost", 8883, true, false },
    ["MQTTS://Broker.Example"] = { "Broker.Example", 8883, true, false },
    ["mqtt://a.example:8884"] = { "a.example", 8884, false, false },
    ["localhost"] = { "localhost", 1883, false, false },
    ["localhost:1"] = { "localhost", 1, false, false },
    ["host:65535"] = { "host", 65535, false, false },
    ["host:01883"] = { "host", 1883, false, false },
    ["127.0.0.1"] = { "127.0.0.1", 1883, false, false },
    ["mqtts://255.255.255.255:9"] = { "255.255.255.255", 9, true, false },
    ["my_host-1"] = { "my_host-1", 1883, false, false },
    ["1host"] = { "1host", 1883, false, false },
    ["example.com."] = { "example.com.", 1883, false, false },
    ["mqtt://[::1]"] = { "::1", 1883, false, true },
    ["mqtts://[::1]:99"] = { "::1", 99, true, true },
    ["[::]:5"] = { "::", 5, false, true },
    ["[2001:db8::]"] = { "2001:db8::", 1883, false, true },
    ["[1:2:3:4:5:6:7:8]"] = { "1:2:3:4:5:6:7:8", 1883, false, true },
    ["[1::8]"] = { "1::8", 1883, false, true },
    ["[1:2:3:4:5:6:7::]"] = { "1:2:3:4:5:6:7::", 1883, false, true },
    ["[::FFFF:1.2.3.4]"] = { "::FFFF:1.2.3.4", 1883, false, true },
    ["[1:2:3:4:5:6:1.2.3.4]"] = { "1:2:3:4:5:6:1.2.3.4", 1883, false, true },
    ["mqtt://[fe80::1%eth0]:1883"] = { "fe80::1%eth0", 1883, false, true },
    ["mqtts://[fe80::1%25eth0]"] = { "fe80::1%eth0", 8883, true, true }, -- RFC 6874
    ["[fe80::1%2525]:99"] = { "fe80::1%25", 99, false, true },
    ["[fe80::1%25]"] = { "fe80::1%25", 1883, false, true },
    ["unix:///run/mosquitto/mosquitto.sock"] = { "/run/mosquitto/mosquitto.sock", 0, false, false, "unix" },
    ["mqtt+srv://example.com"] = { "example.com", 0, false, false, service = true },
    ["MQTTS+SRV://a.example."] = { "a.example.", 0, true, false, service = true },
    ["quic://host"] = { "host", 14567, true, false, "quic" },
    ["QUIC://[::1]:443"] = { "::1", 443, true, true, "quic" },
    ["ws://host"] = { "host", 80, false, false, "websocket" },
    ["WSS://host"] = { "host", 443, true, false, "websocket" },
    ["ws://host:8080/mqtt?a=b&c=%20@:"] = { "host", 8080, false, false, "websocket", "/mqtt?a=b&c=%20@:" },
    ["wss://[::1]?token"] = { "::1", 443, true, true, "websocket", "?token" },
    ["ws://host/" .. ("x"):rep(2047)] = { "host", 80, false, false, "websocket", "/" .. ("x"):rep(2047) },
    ["UNIX:///Run/a@b:1?c#d%20[e]"] = { "/Run/a@b:1?c#d%20[e]", 0, false, false, "unix" },
    ["unix:///" .. ("x"):rep(106)] = { "/" .. ("x"):rep(106), 0, false, false, "unix" },
    [("a"):rep(63) .. "." .. ("b"):rep(63)] = { ("a"):rep(63) .. "." .. ("b"):rep(63), 1883, false, false },
  }
  for text, expected in pairs(good) do
    it("is taken apart: " .. text:sub(1, 60), function()
      assert.same({ host = expected[1], port = expected[2], tls = expected[3], ipv6 = expected[4], text = text,
        road = expected[5] or "tcp", path = expected[6], service = expected.service }, parse(text))
    end)
  end

  local AFTER = "must not have anything after host and port, but has "
  local PORT = ", which must be a number from 1 to 65535"
  local KNOWN = "; mqtt, mqtts, tcp, ssl, mqtt+srv, mqtts+srv, ws, wss, unix and quic are known"
  local LETTERS = ", and host names are letters, digits, '-' and '.'"
  local USER = "must not have a user name or password; they have options of their own"
  local BLANK = "must not contain spaces or control characters"
  local V4, V6 = ", which is no IPv4 address", " in brackets, which is no IPv6 address"
  local bad = {
    ["mqtt+srv://host:1883"] = "must not have a port: the records of its service have them",
    ["mqtts+srv://127.0.0.1"] = "must have the name of a service, not an address",
    ["mqtt+srv://[::1]"] = "must have the name of a service, not an address",
    ["mqtt+srv://host/path"] = AFTER .. "'/path'",
    ["mqtt+srv://"] = "has no host",
    [""] = "must not be empty",
    ["foo://host"] = "has the unknown scheme 'foo'" .. KNOWN,
    ["http://host"] = "has the unknown scheme 'http'" .. KNOWN,
    ["wsss://host"] = "has the unknown scheme 'wsss'" .. KNOWN,
    ["mqttx://host"] = "has the unknown scheme 'mqttx'" .. KNOWN,
    ["mqt://host"] = "has the unknown scheme 'mqt'" .. KNOWN,
    ["://host"] = "has the unknown scheme ''" .. KNOWN,
    [("x"):rep(50) .. "://h"] = "has the unknown scheme '" .. ("x"):rep(40) .. "...'" .. KNOWN,
    ["ws://"] = "has no host",
    ["ws://user:secret@host/"] = USER,
    ["ws://host/#there"] = "must not have a fragment (RFC 6455 section 3)",
    ["wss://host/caf\195\169"] = "must have what is not ASCII in its path as %XX",
    ["ws://host/" .. ("x"):rep(2048)] = "has a path and query of more than 2,048 bytes",
    ["ws://host:0/"] = "has the port '0'" .. PORT,
    ["unix://"] = "has no path of a socket",
    ["unix://run/x"] = "has 'run/x' where the path of a socket should begin with its '/', as in unix:///run/broker",
    ["unix:///" .. ("x"):rep(107)] = "has the path of a socket of more than 107 bytes, which no system takes",
    ["unix:///a b"] = BLANK,
    ["unix:/run/x"] = AFTER .. "'/run/x'",
    ["mqtt:host"] = "has the port 'host'" .. PORT,
    ["mqtt:/host"] = AFTER .. "'/host'",
    ["mqtt://"] = "has no host",
    [":1883"] = "has no host",
    ["mqtt://:1883"] = "has no host",
    ["mqtt://host:"] = "has no port after its ':'",
    ["host:0"] = "has the port '0'" .. PORT,
    ["host:65536"] = "has the port '65536'" .. PORT,
    ["host:99999999999999999999"] = "has the port '99999999999999999999'" .. PORT,
    ["host:-1"] = "has the port '-1'" .. PORT,
    ["host:18a3"] = "has the port '18a3'" .. PORT,
    ["host:1:2"] = "has the port '1:2'" .. PORT,
    ["mqtt://host/"] = AFTER .. "'/'",
    ["mqtt://host:1883/mqtt"] = AFTER .. "'/mqtt'",
    ["mqtt://host?x=1"] = AFTER .. "'?x=1'",
    ["mqtt://host#x"] = AFTER .. "'#x'",
    ["mqtt://user@host"] = USER,
    ["mqtt://user:secret@host:1883"] = USER,
    ["mqtt://ho st"] = BLANK,
    [" host"] = BLANK,
    ["host\n"] = BLANK,
    ["host\0"] = BLANK,
    ["host\127"] = BLANK,
    ["h\195\182st"] = "has the host 'h\195\182st'" .. LETTERS,
    ["a%20b"] = "has the host 'a%20b'" .. LETTERS,
    ["a..b"] = "has the host 'a..b', which has an empty part",
    [".a"] = "has the host '.a', which has an empty part",
    ["1.2.3"] = "has the host '1.2.3'" .. V4,
    ["1.2.3.256"] = "has the host '1.2.3.256'" .. V4,
    ["1.2.3.4.5"] = "has the host '1.2.3.4.5'" .. V4,
    ["01.2.3.4"] = "has the host '01.2.3.4'" .. V4,
    ["1883"] = "has the host '1883'" .. V4,
    [("a"):rep(64)] = "has a host name with a part of more than 63 characters",
    [("a."):rep(127)] = "has a host name of more than 253 characters",
    ["::1"] = "must have its IPv6 address in brackets",
    ["mqtt://fe80::1"] = "must have its IPv6 address in brackets",
    ["[::1"] = "has a '[' without its ']'",
    ["[]"] = "has ''" .. V6,
    ["[localhost]"] = "has 'localhost'" .. V6,
    ["[1.2.3.4]"] = "has '1.2.3.4'" .. V6,
    ["[:1]"] = "has ':1'" .. V6,
    ["[1:]"] = "has '1:'" .. V6,
    ["[:::]"] = "has ':::'" .. V6,
    ["[1::2::3]"] = "has '1::2::3'" .. V6,
    ["[1:2:3:4:5:6:7]"] = "has '1:2:3:4:5:6:7'" .. V6,
    ["[1:2:3:4:5:6:7:8:9]"] = "has '1:2:3:4:5:6:7:8:9'" .. V6,
    ["[1:2:3:4:5:6:7:8::]"] = "has '1:2:3:4:5:6:7:8::'" .. V6,
    ["[1:2:3:4:5:6:7:8:]"] = "has '1:2:3:4:5:6:7:8:'" .. V6,
    ["[12345::]"] = "has '12345::'" .. V6,
    ["[g::]"] = "has 'g::'" .. V6,
    ["[::1.2.3]"] = "has '::1.2.3'" .. V6,
    ["[1:2:3:4:5:6:7:1.2.3.4]"] = "has '1:2:3:4:5:6:7:1.2.3.4'" .. V6,
    ["[fe80::1%]"] = "has 'fe80::1%'" .. V6,
    ["[fe80::1%" .. ("z"):rep(246) .. "]"] = "has more than 253 characters in brackets",
    ["[::1]1883"] = "has '1883' where a port should be",
    ["[::1]:"] = "has no port after its ':'",
  }
  for text, problem in pairs(bad) do
    it("is refused: '" .. text:sub(1, 40):gsub("%c", "?") .. "'", function()
      local server, words = parse(text)
      assert.is_nil(server)
      assert.equal(problem, words)
    end)
  end

  it("that is no text is misuse", function()
    assert.error_matches(function() parse {} end, "string expected")
  end)
end)
