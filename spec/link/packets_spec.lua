-- What the Paho link puts on the wire and makes of what it is sent, with a broker that is scripted packet by packet.
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local sockets = require "socket_probe"
local worlds = require "spec.support.worlds"

local world = worlds.alone

local RECEIVE_MAXIMUM, MAXIMUM_PACKET_SIZE, SESSION_EXPIRY, USER = 33, 39, 17, 38
local WANTS_RESPONSE_INFORMATION = scripted.one(25, 1)

describe("packets of the Paho link #broker", function()
  local broker, link

  before_each(function()
    broker = scripted.listen()
    world.attempt.port = broker.port
    link = world:link()
  end)

  after_each(function()
    world:finish()
    broker:close()
  end)

  --- Opens, welcomes and waits: the broker's end of the connection, CONNECT, the CONNECTED mail.
  local function connect(fields, options)
    link:open(fields)
    local client, packet = broker:welcome(options)
    return client, packet, assert(link:wait "connected", link:story())
  end

  describe("CONNECT", function()
    it("says in MQTT 5 what it was asked to say", function()
      local _, packet = connect {
        client_id = "kitchen", keep_alive = 17, clean_start = true, session_expiry = 60, receive_maximum = 20,
        maximum_packet_size = 4096, username = "user", password = "pass\0word",
        properties = { user = { { "made", "here" } } },
        will = { topic = "status", payload = "gone\0", qos = 2, retain = true,
          properties = { will_delay = 5, content_type = "text/plain" } },
      }
      assert.are.same({ "MQTT", 5, true, 17, "kitchen", "user", "pass\0word" }, { packet.name, packet.level,
        packet.clean, packet.keep_alive, packet.client_id, packet.username, packet.password })
      assert.are.equal(scripted.pair(USER, "made", "here") .. WANTS_RESPONSE_INFORMATION
        .. scripted.four(SESSION_EXPIRY, 60) .. scripted.two(RECEIVE_MAXIMUM, 20)
        .. scripted.four(MAXIMUM_PACKET_SIZE, 4096), packet.properties)
      assert.are.same({ qos = 2, retain = true, topic = "status", payload = "gone\0",
        properties = scripted.text(3, "text/plain") .. scripted.four(24, 5) }, packet.will)
    end)

    it("says no more than needed", function()
      local _, packet = connect { client_id = "plain", session_expiry = 0 }
      assert.are.same({ WANTS_RESPONSE_INFORMATION, false }, { packet.properties, packet.clean })
      assert.is_nil(packet.will)
      assert.is_nil(packet.username)
      assert.is_nil(packet.password)
    end)

    it("caps a session expiry that Paho would send mutilated", function()
      local _, packet = connect { session_expiry = 4294967295 }
      assert.are.equal(WANTS_RESPONSE_INFORMATION .. scripted.four(SESSION_EXPIRY, 0x7FFFFFFF), packet.properties)
    end)

    for _, case in ipairs { { 0, false, true }, { 60, false, false }, { 60, true, true }, { 0, true, true } } do
      local expiry, clean_start, clean = case[1], case[2], case[3]
      it("maps the session to MQTT 3.1.1: expiry " .. expiry .. ", clean start " .. tostring(clean_start), function()
        local _, packet = connect { protocol = 4, session_expiry = expiry, clean_start = clean_start }
        assert.are.same({ 4, clean }, { packet.level, packet.clean })
      end)
    end
  end)

  describe("CONNACK", function()
    it("tells every limit", function()
      local _, _, mail = connect({ client_id = "" }, { properties = {
        scripted.two(RECEIVE_MAXIMUM, 7), scripted.one(36, 1), scripted.one(37, 0), scripted.four(39, 1000),
        scripted.text(18, "assigned"), scripted.one(40, 0), scripted.one(41, 0), scripted.one(42, 0),
        scripted.two(19, 44), scripted.four(SESSION_EXPIRY, 123), scripted.text(31, "be welcome"),
        scripted.pair(USER, "a", "b"), scripted.pair(USER, "a", "c") } })
      local properties = mail.properties
      mail.properties = nil
      assert.are.same({ kind = "connected", generation = 1, ours = true, session_present = false, receive_maximum = 7,
        maximum_qos = 1, retain_available = false, maximum_packet_size = 1000, assigned_client_id = "assigned",
        wildcard_available = false, identifiers_available = false, shared_available = false, keep_alive = 44,
        session_expiry = 123 }, mail)
      assert.are.equal("be welcome", properties.reason_string)
      assert.are.same({ { "a", "b" }, { "a", "c" } }, properties.user)
    end)

    it("tells the defaults of what it does not say", function()
      local _, _, mail = connect { keep_alive = 30, session_expiry = 77 }
      assert.are.same({ kind = "connected", generation = 1, ours = true, session_present = false,
        receive_maximum = 65535, maximum_qos = 2, retain_available = true, maximum_packet_size = 0,
        wildcard_available = true, identifiers_available = true, shared_available = true, keep_alive = 30,
        session_expiry = 77 }, mail)
    end)

    it("tells a Receive Maximum of 0, with which Paho would send nothing", function()
      local _, _, mail = connect({}, { properties = { scripted.two(33, 0) } })
      assert.are.equal(0, mail.receive_maximum)
    end)

    for _, protocol in ipairs { 4, 5 } do
      it("tells a session that is present, protocol " .. protocol, function()
        local _, _, mail = connect({ protocol = protocol, session_expiry = 9 }, { session_present = true })
        assert.is_true(mail.session_present)
      end)
    end

    it("tells every refusal of MQTT 5 by its code", function()
      for _, code in ipairs { 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
        0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F } do
        link:open {}
        broker:welcome { code = code }:close()
        local failed = assert(link:wait "failed", link:story())
        assert.are.same({ "connack", code, "connack" }, { failed.source, failed.code, failed.phase })
      end
    end)

    it("tells every refusal of MQTT 3.1.1 by its code", function()
      for code = 1, 5 do
        link:open { protocol = 4 }
        broker:welcome { code = code }:close()
        local failed = assert(link:wait "failed", link:story())
        assert.are.same({ "connack_v3", code, "connack" }, { failed.source, failed.code, failed.phase })
      end
    end)

    -- How a broker refuses MQTT 5 that knows 3.1.1 only: in two bytes, without properties.
    it("of MQTT 3.1.1 is understood in answer to a CONNECT of MQTT 5", function()
      for code = 1, 5 do
        link:open {}
        local client = broker:accept()
        client:expect "connect"
        client:send("connack", string.char(0, code)):close()
        local failed = assert(link:wait "failed", link:story())
        assert.are.same({ "connack_v3", code, "connack" }, { failed.source, failed.code, failed.phase })
      end
    end)

    it("in whose place a DISCONNECT comes fails the attempt with that code", function()
      link:open {}
      local client = broker:accept()
      client:expect "connect"
      client:disconnect(0x81, { scripted.text(31, "what was that") })
      client:close()
      local failed = assert(link:wait "failed", link:story())
      assert.are.same({ "disconnect", 0x81, "connack", "what was that" },
        { failed.source, failed.code, failed.phase, failed.text })
      assert.are.same({}, link:rest(200))
    end)

    it("that never comes, because the broker closes, is told as such", function()
      link:open {}
      local client = broker:accept()
      client:expect "connect"
      client:close()
      local failed = assert(link:wait "failed", link:story())
      assert.are.same({ "closed_before_connack", "connack" }, { failed.reason, failed.phase })
    end)
  end)

  describe("a loss", function()
    it("by DISCONNECT tells code, reason string and server reference", function()
      local client = connect {}
      client:disconnect(0x9C, { scripted.text(31, "over\n\194\155there\194\160"),
        scripted.text(28, "other.example:1884") })
      local down = assert(link:wait "down", link:story())
      assert.are.same({ "disconnect", 0x9C, "use_another_server", "over   there\194\160", "other.example:1884", "up" },
        { down.source, down.code, down.reason, down.text, down.server_reference, down.phase })
      assert.are.same({}, link:rest(200))
    end)

    it("by FIN or RST is a lost connection", function()
      for _, how in ipairs { "close", "reset" } do
        local client = connect {}
        client[how](client)
        assert.are.equal("connection_lost", assert(link:wait "down", how).reason)
        assert.are.same({}, link:rest(100))
      end
    end)
  end)

  describe("DISCONNECT", function()
    it("carries code and session expiry", function()
      local client = connect { session_expiry = 60 }
      link:close(4, 0, 1000)
      local packet = client:expect "disconnect"
      assert.are.same({ 4, scripted.four(SESSION_EXPIRY, 0) }, { packet.code, packet.properties })
      assert.is_truthy(link:wait "closed")
    end)

    it("leaves the session expiry alone when it is not asked to change it", function()
      local client = connect { session_expiry = 60 }
      link:close()
      local packet = client:expect "disconnect"
      assert.are.same({ 0, "" }, { packet.code, packet.properties })
    end)

    it("that cannot be sent is given up in time", function()
      local client = connect {}
      assert.is_true(link:publish(1, "big", ("x"):rep(30e6), 1)) -- nobody reads
      assert.is_true(link:publish(2, "next", "x", 1))
      local begun = process.now()
      link:close(0, -1, 400)
      assert.is_truthy(link:wait "closed")
      local took = process.now() - begun
      local most = os.getenv "HOLDFAST_SANITIZE" and 8000 or 2000 -- it takes its time over tens of megabytes
      assert.is_true(took >= 350 and took < most, "took " .. took .. " ms")
      link:destroy()
      link:rest()
      assert.are.equal("connected closed", (link:story():gsub(" delivered.*", "")))
      local times, results = link:outcomes()
      assert.are.same({ { 1, 1 }, { -1, -1 } }, { times, results })
      client:close()
    end)
  end)

  describe("PUBLISH", function()
    it("carries its properties both ways", function()
      local client = connect {}
      local properties = { content_type = "text/plain", response_topic = "answer/here", correlation_data = "\0\1",
        message_expiry = 60, payload_format = 1, user = { { "one", "1" }, { "two", "" } } }
      link:publish(1, "a/b", "payload", 0, true, properties)
      local packet = client:expect "publish"
      assert.are.same({ "a/b", "payload", 0, true, false },
        { packet.topic, packet.payload, packet.qos, packet.retain, packet.duplicate })
      client:publish { topic = "a/b", payload = "payload", retain = true, properties = { packet.properties,
        "\11\1", "\11\200\1" } } -- the subscription identifiers 1 and 200
      local message = link:wait "message"
      properties.identifiers = { 1, 200 }
      assert.are.same({ "a/b", "payload", 0, true, false, properties },
        { message.topic, message.payload, message.qos, message.retain, message.duplicate, message.properties })
    end)

    it("takes more properties than there is room for at first", function()
      local client = connect {}
      local list, expected = {}, {}
      for i = 1, 30 do
        list[i] = scripted.pair(USER, "name " .. i, "value " .. i)
        expected[i] = { "name " .. i, "value " .. i }
      end
      client:publish { topic = "a", payload = "", properties = list }
      assert.are.same(expected, link:wait("message").properties.user)
    end)

    it("is refused by PUBACK or PUBREC with the broker's code", function()
      local client = connect { session_expiry = 60 }
      link:publish(1, "a", "x", 1)
      client:answer("puback", client:expect("publish").id, 0x97)
      assert.are.equal(0x97, link:wait("delivered").result)
      link:publish(2, "a", "x", 2)
      client:answer("pubrec", client:expect("publish").id, 0x87)
      assert.are.equal(0x87, link:wait("delivered").result)
      assert.is_nil((client:packet(100)))
    end)

    -- Paho goes by the packet id, and a PUBREL that is sent twice is answered twice: the id may be another's by then.
    for qos, right in pairs { [1] = "puback", [2] = "pubrec" } do
      it("is not delivered by an answer that is not for it, but by the right one, QoS " .. qos, function()
        local client = connect { session_expiry = 60 }
        link:publish(1, "a", "x", qos)
        local id = client:expect("publish").id
        client:answer("pubcomp", id)
        assert.are.same({}, link:rest(50))
        client:answer(right, id)
        if qos == 2 then
          client:expect "pubrel"
          assert.are.same({}, link:rest(50))
          client:answer("pubcomp", id)
        end
        assert.are.equal(0, assert(link:wait "delivered").result)
        client:answer("pubcomp", id)
        assert.are.same({}, link:rest(50))
      end)
    end

    it("tells whether a QoS 1 message came as a duplicate", function()
      local client = connect {}
      client:publish { topic = "a", payload = "x", qos = 1, id = 1, duplicate = true }
      assert.is_true(link:wait("message").duplicate)
      assert.are.equal(1, client:expect("puback").id)
    end)
  end)

  it("are not held back by Nagle's algorithm, which nobody else is deprived of", function()
    local other = assert(sockets.connect(broker.port))
    broker:accept()
    connect {}
    assert.are.same({ 2, 1 }, { sockets.connected_to(broker.port) })
    other:close()
  end)

  it("have a socket that no child of the process gets", function()
    connect {}
    local child = io.popen "ls -l /proc/self/fd"
    local descriptors = child:read "*a"
    child:close()
    assert.matches("pipe:", descriptors)
    assert.is_nil(descriptors:match "[^\n]*socket:")
  end)

  describe("SUBSCRIBE", function()
    it("carries options, identifier and user properties", function()
      local client = connect {}
      link:subscribe(5, "a/#", 1, { no_local = true, retain_as_published = true, retain_handling = 2, identifier = 300,
        user = { { "why", "not" } } })
      local packet = client:expect "subscribe"
      local properties = scripted.pair(USER, "why", "not") .. "\11\172\2"
      assert.are.equal(packet.body:sub(1, 2) .. string.char(#properties) .. properties .. "\0\3a/#"
        .. string.char(1 + 4 + 8 + 32), packet.body)
      client:suback(packet.id, 0x87, { scripted.text(31, "not yours") })
      local answer = link:wait "subscribed"
      assert.are.same({ 5, 0x87, "not yours" }, { answer.ticket, answer.code, answer.text })
    end)

    it("is answered by code in MQTT 3.1.1 too", function()
      local client = connect { protocol = 4 }
      for _, code in ipairs { 0, 1, 2, 0x80 } do
        link:subscribe(code + 1, "a", 2)
        client:suback(client:expect("subscribe").id, code)
        local answer = link:wait "subscribed"
        assert.are.same({ code + 1, code }, { answer.ticket, answer.code })
      end
    end)

    it("has one code, the first, however many there are", function()
      for protocol, expected in pairs { [4] = 0xFF, [5] = 1 } do -- in 3.1.1 Paho hides those of more than one
        local client = connect { protocol = protocol }
        link:subscribe(7, "a", 2)
        local id = client:expect("subscribe").id
        client:send("suback", string.char(0, id) .. (protocol == 5 and "\0" or "") .. "\1\2\135")
        local answer = link:wait "subscribed"
        assert.are.same({ 7, expected }, { answer.ticket, answer.code })
      end
    end)

    it("without an answer is forgotten when the connection ends", function()
      local client = connect {}
      link:subscribe(1, "a", 0)
      client:expect "subscribe"
      client:close()
      link:wait "down"
      connect {}
      assert.are.same({}, link:rest(200))
    end)
  end)
end)
