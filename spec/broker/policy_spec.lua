-- What a broker says, through real sockets, to the event that tells it: refusals, farewells, silence, slammed doors.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local now = require("holdfast.core").now
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local transport = require "spec.support.transport"

local TAKEN_OVER = 0x8E
local REASON_STRING, SERVER_REFERENCE = 31, 28 -- properties of MQTT 5

-- Codes with the name, the class and the shortest and longest wait that follow; no waits: the client sleeps.
local CONNACK = {
  { 0x80, "unspecified_error", "retry", 1, 2 }, { 0x81, "malformed_packet", "stop" },
  { 0x82, "protocol_error", "stop" }, { 0x83, "implementation_specific", "slow", 30, 60 },
  { 0x84, "unsupported_protocol_version", "stop" }, { 0x85, "client_id_not_valid", "stop" },
  { 0x86, "bad_user_name_or_password", "slow", 30, 60 }, { 0x87, "not_authorized", "slow", 30, 60 },
  { 0x88, "server_unavailable", "retry", 1, 2 }, { 0x89, "server_busy", "slow", 30, 60 }, { 0x8A, "banned", "stop" },
  { 0x8C, "bad_authentication_method", "stop" }, { 0x90, "topic_name_invalid", "stop" },
  { 0x95, "packet_too_large", "stop" }, { 0x97, "quota_exceeded", "slow", 60, 120 },
  { 0x99, "payload_format_invalid", "stop" }, { 0x9A, "retain_not_supported", "stop" },
  { 0x9B, "qos_not_supported", "stop" }, { 0x9C, "use_another_server", "slow", 30, 60 },
  { 0x9D, "server_moved", "slow", 30, 60 }, { 0x9F, "connection_rate_exceeded", "slow", 30, 300 },
  { 0x8E, "unknown_connack", "slow", 30, 60 }, { 0xFE, "unknown_connack", "slow", 30, 60 },
}

local CONNACK_V3 = {
  { 1, "unsupported_protocol_version", "stop" }, { 2, "client_id_not_valid", "stop" },
  { 3, "server_unavailable", "retry", 1, 2 }, { 4, "bad_user_name_or_password", "slow", 30, 60 },
  { 5, "not_authorized", "slow", 30, 60 }, { 6, "unknown_connack", "slow", 30, 60 },
  { 0xFE, "unknown_connack", "slow", 30, 60 },
}

local DISCONNECT = {
  { 0x00, "normal_disconnection", "retry", 1, 2 }, { 0x04, "disconnect_with_will", "slow", 30, 60 },
  { 0x80, "unspecified_error", "retry", 1, 2 }, { 0x81, "malformed_packet", "slow", 30, 60 },
  { 0x82, "protocol_error", "slow", 30, 60 }, { 0x83, "implementation_specific", "slow", 30, 60 },
  { 0x87, "not_authorized", "slow", 30, 60 }, { 0x89, "server_busy", "slow", 30, 60 },
  { 0x8B, "server_shutting_down", "retry", 1, 16 }, { 0x8D, "keep_alive_timeout", "retry", 1, 2 },
  { 0x8E, "session_taken_over", "slow", 30, 60 }, { 0x8F, "topic_filter_invalid", "retry", 1, 2 },
  { 0x90, "topic_name_invalid", "retry", 1, 2 }, { 0x93, "receive_maximum_exceeded", "retry", 1, 2 },
  { 0x94, "topic_alias_invalid", "retry", 1, 2 }, { 0x95, "packet_too_large", "retry", 1, 2 },
  { 0x96, "message_rate_too_high", "slow", 30, 60 }, { 0x97, "quota_exceeded", "slow", 60, 120 },
  { 0x98, "administrative_action", "slow", 60, 120 }, { 0x99, "payload_format_invalid", "retry", 1, 2 },
  { 0x9A, "retain_not_supported", "retry", 1, 2 }, { 0x9B, "qos_not_supported", "retry", 1, 2 },
  { 0x9C, "use_another_server", "slow", 30, 60 }, { 0x9D, "server_moved", "slow", 30, 60 },
  { 0x9E, "shared_subscriptions_not_supported", "retry", 1, 2 },
  { 0x9F, "connection_rate_exceeded", "slow", 30, 300 }, { 0xA0, "maximum_connect_time", "retry", 1, 2 },
  { 0xA1, "subscription_identifiers_not_supported", "retry", 1, 2 },
  { 0xA2, "wildcard_subscriptions_not_supported", "retry", 1, 2 }, { 0x8C, "bad_authentication_method", "stop" },
  { 0xFE, "unknown_disconnect", "slow", 30, 60 },
}

describe("a broker's word #broker", function()
  local broker

  before_each(function()
    broker = scripted.listen()
  end)

  after_each(function()
    broker:close()
    mosquitto.finish()
  end)

  local function new(options)
    local given = { server = "mqtt://127.0.0.1:" .. broker.port }
    for key, value in pairs(options or {}) do
      given[key] = value
    end
    local client = holdfast.new(given)
    return client, diary.of(client)
  end

  local function has_wait(event, row)
    local shown = ("0x%02X: %s"):format(row[1], tostring(event.retry_in))
    if row[4] then
      assert.is_true(event.retry_in >= row[4] and event.retry_in <= row[5], shown)
    else
      assert.is_nil(event.retry_in, shown)
    end
  end

  for _, case in ipairs { { 5, "connack", CONNACK }, { 4, "connack_v3", CONNACK_V3 } } do
    local protocol, source, rows = case[1], case[2], case[3]
    it("that refuses arrives by its name, protocol " .. protocol, function()
      holdfast.run(function()
        for _, row in ipairs(rows) do
          local client, seen = new { protocol = protocol }
          client:start()
          local connection = broker:welcome { code = row[1], properties = { scripted.text(REASON_STRING, "no") } }
          local event = seen:await("failed").event
          assert.are.same({ row[2], row[3], row[1], source },
            { event.reason.name, event.reason.class, event.reason.code, event.reason.source })
          assert.are.equal(1, event.attempt)
          has_wait(event, row)
          if row[3] == "stop" then seen:await "sleeping" end -- told after the failure, perhaps a turn later
          assert.are.equal(row[3] == "stop" and 1 or 0, seen:count "sleeping")
          local record = client:history()[1]
          assert.are.same({ "connack", row[1], event.retry_in }, { record.phase, record.code, record.delay })
          client:close()
          connection:close()
        end
      end)
    end)
  end

  it("that ends the connection arrives by its name, with its text and where it sends to", function()
    holdfast.run(function()
      for _, row in ipairs(DISCONNECT) do
        local client, seen = new()
        client:start()
        local connection = broker:welcome()
        seen:await "ready"
        connection:disconnect(row[1], { scripted.text(REASON_STRING, "because of " .. row[2]),
          scripted.text(SERVER_REFERENCE, "other.example:1883") })
        local event = seen:await("lost").event
        assert.are.same({ name = row[2], class = row[3], code = row[1], source = "disconnect",
          text = "because of " .. row[2] }, event.reason)
        assert.are.same({ "other.example:1883", false }, { event.server_reference, event.followed })
        assert.is_true(event.uptime >= 0 and event.uptime < 5)
        has_wait(event, row)
        assert.are.equal(row[3] == "stop" and "sleeping" or "waiting", client:status().state)
        client:close()
        connection:close()
      end
    end)
  end)

  it("that ends the connection may be as short as two bytes", function()
    holdfast.run(function()
      local client, seen = new()
      client:start()
      local connection = broker:welcome()
      seen:await "ready"
      connection:send("disconnect", "")
      local reason = seen:await("lost").event.reason
      assert.are.same({ "normal_disconnection", "retry" }, { reason.name, reason.class })
      client:close()
    end)
  end)

  for _, protocol in ipairs { 5, 4 } do
    it("that never comes: the door is slammed on CONNECT, protocol " .. protocol, function()
      holdfast.run(function()
        local client, seen = new { protocol = protocol, backoff = { min = 0.05, max = 0.1 } }
        client:start()
        for attempt = 1, 3 do
          local connection = broker:accept()
          connection:expect "connect"
          if attempt == 2 then
            connection:reset()
          else
            connection:close()
          end
          local event = seen:await("failed", attempt).event
          assert.are.same({ "closed_before_connack", "network" }, { event.reason.name, event.reason.source })
          assert.are.equal(attempt < 3 and "retry" or "slow", event.reason.class)
          assert.is_true(attempt < 3 and event.retry_in <= 0.1 or attempt == 3 and event.retry_in >= 30)
          assert.are.equal("connack", client:history()[attempt].phase)
        end
        client:close()
      end)
    end)
  end

  it("that never comes: silence ends at connect_timeout", function()
    holdfast.run(function()
      local client, seen = new { connect_timeout = 1 }
      local start = now()
      client:start()
      local connection = broker:accept()
      local entry = seen:await "failed"
      assert.are.same({ "connect_timeout", "retry", "client" },
        { entry.event.reason.name, entry.event.reason.class, entry.event.reason.source })
      assert.is_true(entry.at - start >= 0.99 and entry.at - start < 2, entry.at - start)
      connection:expect "connect"
      local _, why = connection:packet()
      assert.are.equal("closed", why, "the attempt that was given up goes on")
      client:close()
    end)
  end)

  local nonsense = {
    ["that is none at all"] = { "\0\0", { paho = "network retry", native = "client slow" } },
    ["in HTTP, of a captive portal maybe,"] = { "HTTP/1.1 400 Bad Request\r\n\r\n",
      { paho = "network retry", native = "network retry" } },
  }
  for name, case in pairs(nonsense) do
    it(name .. " is a failure like any other", function()
      holdfast.run(function()
        local client, seen = new()
        client:start()
        local connection = broker:accept()
        connection:expect "connect"
        connection.socket:send(case[1])
        connection:close()
        local reason = seen:await("failed").event.reason
        assert.are.equal(transport.either(case[2]), reason.source .. " " .. reason.class)
        client:close()
      end)
    end)
  end

  it("that nobody is there to say is a failure to connect", function()
    holdfast.run(function()
      local client = holdfast.new { server = "mqtt://127.0.0.1:" .. process.free_port() }
      local seen = diary.of(client)
      client:start()
      local reason = seen:await("failed").event.reason
      assert.are.same({ transport.refused(), "retry", "network" }, { reason.name, reason.class, reason.source })
      assert.are.equal("tcp", client:history()[1].phase)
      client:close()
    end)
  end)

  it("of welcome, taken back at once, makes the waits grow", function()
    holdfast.run(function()
      local client, seen = new { backoff = { min = 0.1, max = 1, jitter = "none" } }
      client:start()
      for turn = 1, 5 do
        local connection = broker:welcome()
        seen:await("connected", turn)
        connection:close()
        assert.are.equal(0.1 * 2 ^ (turn - 1) > 1 and 1 or 0.1 * 2 ^ (turn - 1),
          seen:await("lost", turn).event.retry_in)
        if turn > 1 then
          local history = client:history()
          assert.is_true(history[turn - 1].started - history[turn].started >= 0.1 * 2 ^ (turn - 2) - 0.01)
        end
        assert.are.equal(turn, seen:all("connecting")[turn].event.attempt)
      end
      client:close()
    end)
  end)

  describe("for two who fight over a client id", function()
    local function twins(port, policy, backoff, protocol)
      local clients, books = {}, {}
      for index = 1, 2 do
        clients[index] = holdfast.new {
          server = "mqtt://127.0.0.1:" .. port, client_id = "twin", policy = policy, backoff = backoff,
          protocol = protocol,
        }
        books[index] = diary.of(clients[index])
        clients[index]:start()
        books[index]:await "ready"
      end
      return clients, books
    end

    local function close(clients)
      for _, client in ipairs(clients) do
        client:close()
      end
    end

    -- As MQTT 5 has it: who comes later has the session, and the other one is told so [MQTT-3.1.4-3].
    local function take_over()
      local holder
      while true do
        local connection = broker:accept_now()
        if connection then
          connection:expect "connect"
          if holder then
            holder:disconnect(TAKEN_OVER)
            holder:close()
          end
          connection:connack()
          holder = connection
        end
        holdfast.sleep(0.005)
      end
    end

    for _, slow in ipairs { { min = 0.3, max = 0.9 }, { strategy = "constant", min = 0.4, max = 0.4 } } do
      it(("one gives up, after three connections at most; slow up to %g s"):format(slow.max), function()
        holdfast.run(function()
          holdfast.spawn(take_over)
          local clients, books = twins(broker.port, { slow = slow })
          local deadline = now() + 10
          while books[1]:count "sleeping" + books[2]:count "sleeping" == 0 do
            assert(now() < deadline, "they fight on")
            holdfast.sleep(0.01)
          end
          local loser = books[1]:count "sleeping" == 1 and 1 or 2
          local asleep = books[loser]:all("sleeping")[1].event
          assert.are.same({ "session_taken_over", "stop" }, { asleep.reason.name, asleep.reason.class })
          assert.is_true(books[loser]:count "connected" <= 3, books[loser]:words())
          holdfast.sleep(1)
          assert.are.equal("sleeping", clients[loser]:status().state)
          assert.are.equal("connected", clients[3 - loser]:status().state)
          close(clients)
        end)
      end)
    end

    -- Each wait twice that before, for as long as it says nothing.
    local function check_waits(books)
      for _, book in ipairs(books) do
        local lost = book:all "lost"
        assert.is_true(#lost >= 2, book:words())
        for turn, entry in ipairs(lost) do
          assert.is_true(transport.killed(entry.event.reason.name))
          assert.are.equal(0.05 * 2 ^ (turn - 1), entry.event.retry_in)
        end
      end
    end

    local function fight(protocol, check)
      local real = mosquitto.start()
      holdfast.run(function()
        local clients, books = twins(real.port, nil, { min = 0.05, max = 5, jitter = "none" }, protocol)
        holdfast.sleep(3)
        check(books)
        close(clients)
      end)
    end

    it("and a broker that cannot say so (3.1.1): the waits grow, there is no hot loop", function()
      fight(4, check_waits)
    end)

    it("and mosquitto over MQTT 5: they wait long where it says so, as 2.0.21, longer each time elsewhere", function()
      fight(5, function(books)
        local told = books[1]:all("lost")[1]
        if told.event.reason.name ~= "session_taken_over" then
          return check_waits(books)
        end
        assert.are.same({ "slow", 1 }, { told.event.reason.class, books[1]:count "lost" })
        assert.is_true(told.event.retry_in > 3, told.event.retry_in)
        assert.are.equal("connecting connected ready", books[2]:words())
      end)
    end)
  end)
end)
