-- What follows from every reason there is, with nothing but default options: which event with which fields, how long
-- the wait, to which server. On virtual time, through the whole library.
local whole = require "spec.support.whole"
local probe = whole.probe

-- The bounds of the first wait: backoff is 1 to 60 s, slow 30 to 300 s, both by a factor of 2 with full jitter. "wide"
-- is the window of the fourth failure.
local WAITS = {
  backoff = { 1, 2 }, wide = { 1, 16 }, slow = { 30, 60 }, quota = { 60, 120 }, widest = { 30, 300 },
}

-- code, name, class with one server, wait ("backoff" for retry, "slow" for slow unless said), whether it leaves for a
-- second server, class with two (default: the same).
local function code(number, name, class, more)
  local made = more or {}
  made.code, made.name, made.class = number, name, class
  made.wait = made.wait or (class == "retry" and "backoff" or class == "slow" and "slow" or nil)
  return made
end

local CONNACK = {
  code(0x80, "unspecified_error", "retry"),
  code(0x81, "malformed_packet", "stop"),
  code(0x82, "protocol_error", "stop"),
  code(0x83, "implementation_specific", "slow"),
  code(0x84, "unsupported_protocol_version", "stop"),
  code(0x85, "client_id_not_valid", "stop"),
  code(0x86, "bad_user_name_or_password", "slow"),
  code(0x87, "not_authorized", "slow"),
  code(0x88, "server_unavailable", "retry", { leaves = true }),
  code(0x89, "server_busy", "slow", { leaves = true }),
  code(0x8A, "banned", "stop"),
  code(0x8C, "bad_authentication_method", "stop"),
  code(0x90, "topic_name_invalid", "stop"),
  code(0x95, "packet_too_large", "stop"),
  code(0x97, "quota_exceeded", "slow", { wait = "quota" }),
  code(0x99, "payload_format_invalid", "stop"),
  code(0x9A, "retain_not_supported", "stop"),
  code(0x9B, "qos_not_supported", "stop"),
  code(0x9C, "use_another_server", "slow", { leaves = true, two = "switch" }),
  code(0x9D, "server_moved", "slow", { leaves = true, two = "switch" }),
  code(0x9F, "connection_rate_exceeded", "slow", { wait = "widest" }),
}

local CONNACK_V3 = {
  code(1, "unsupported_protocol_version", "stop"),
  code(2, "client_id_not_valid", "stop"),
  code(3, "server_unavailable", "retry", { leaves = true }),
  code(4, "bad_user_name_or_password", "slow"),
  code(5, "not_authorized", "slow"),
}

-- MQTT 5 has 29; 0x8C is not among them, but the broker may find that out after CONNACK, too.
local DISCONNECT = {
  code(0x00, "normal_disconnection", "retry"),
  code(0x04, "disconnect_with_will", "slow"),
  code(0x80, "unspecified_error", "retry"),
  code(0x81, "malformed_packet", "slow"),
  code(0x82, "protocol_error", "slow"),
  code(0x83, "implementation_specific", "slow"),
  code(0x87, "not_authorized", "slow"),
  code(0x89, "server_busy", "slow", { leaves = true }),
  code(0x8B, "server_shutting_down", "retry", { wait = "wide", leaves = true }),
  code(0x8C, "bad_authentication_method", "stop"),
  code(0x8D, "keep_alive_timeout", "retry"),
  code(0x8E, "session_taken_over", "slow"),
  code(0x8F, "topic_filter_invalid", "retry"),
  code(0x90, "topic_name_invalid", "retry"),
  code(0x93, "receive_maximum_exceeded", "retry"),
  code(0x94, "topic_alias_invalid", "retry"),
  code(0x95, "packet_too_large", "retry"),
  code(0x96, "message_rate_too_high", "slow"),
  code(0x97, "quota_exceeded", "slow", { wait = "quota" }),
  code(0x98, "administrative_action", "slow", { wait = "quota" }),
  code(0x99, "payload_format_invalid", "retry"),
  code(0x9A, "retain_not_supported", "retry"),
  code(0x9B, "qos_not_supported", "retry"),
  code(0x9C, "use_another_server", "slow", { leaves = true, two = "switch" }),
  code(0x9D, "server_moved", "slow", { leaves = true, two = "switch" }),
  code(0x9E, "shared_subscriptions_not_supported", "retry"),
  code(0x9F, "connection_rate_exceeded", "slow", { wait = "widest" }),
  code(0xA0, "maximum_connect_time", "retry"),
  code(0xA1, "subscription_identifiers_not_supported", "retry"),
  code(0xA2, "wildcard_subscriptions_not_supported", "retry"),
}

local NETWORK = {
  code(1, "connect_failed", "retry", { leaves = true }),
  code(2, "connection_refused", "retry", { leaves = true }),
  code(3, "unreachable", "retry", { leaves = true }),
  code(4, "connection_reset", "retry", { leaves = true }),
  code(5, "timed_out", "retry", { leaves = true }),
  code(6, "name_not_found", "slow", { leaves = true }),
  code(7, "name_server_failing", "retry", { leaves = true }),
  code(8, "closed_before_connack", "retry", { leaves = true }),
  code(9, "connection_lost", "retry"),
  code(10, "proxy_variable", "stop"),
}

local TLS = {
  code(1, "tls_failed", "slow", { leaves = true }),
  code(2, "tls_certificate", "slow", { leaves = true }),
  code(3, "tls_expired", "slow", { leaves = true }),
  code(4, "tls_not_yet_valid", "slow", { leaves = true }),
  code(5, "tls_unknown_ca", "slow", { leaves = true }),
  code(6, "tls_self_signed", "slow", { leaves = true }),
  code(7, "tls_hostname", "slow", { leaves = true }),
  code(8, "tls_handshake", "retry", { leaves = true }),
  code(9, "tls_client_certificate", "slow"),
  code(10, "tls_file", "slow"),
  code(11, "tls_version", "slow", { leaves = true }),
  code(12, "tls_pin", "slow", { leaves = true }),
  code(13, "tls_revoked", "slow", { leaves = true }),
  code(14, "tls_crl", "slow", { leaves = true }),
  code(15, "tls_ocsp", "slow", { leaves = true }),
  code(16, "tls_token", "slow"),
  code(17, "tls_token_login", "stop"),
}

local function unknown(name, codes)
  local rows = {}
  for index, number in ipairs(codes) do
    rows[index] = code(number, name, "slow")
  end
  return rows
end

local REFUSALS = {
  { "connack", 5, CONNACK },
  { "connack", 5, unknown("unknown_connack", { 0x01, 0x04, 0x7F, 0x8B, 0x8D, 0x96, 0x98, 0xA0, 0xFF }) },
  { "connack_v3", 4, CONNACK_V3 },
  { "connack_v3", 4, unknown("unknown_connack", { 6, 0x7F, 0x80, 0x87, 0xFF }) },
  { "network", 5, NETWORK },
  { "tls", 5, TLS },
}

local LOSSES = {
  { "disconnect", DISCONNECT },
  { "disconnect", unknown("unknown_disconnect", { 0x01, 0x03, 0x05, 0x7F, 0x84, 0x88, 0x8A, 0x91, 0xA3, 0xFF }) },
  { "network", { code(4, "connection_reset", "retry", { leaves = true }), code(9, "connection_lost", "retry") } },
}

-- How far an attempt got, as the scripted link has it.
local PHASES = { connack = "connack", connack_v3 = "connack", network = "tcp", tls = "tcp" }
local CLIENTS = 64 -- the narrowest and the widest of so many draws lie close to the bounds

local world

local function title(source, row, more)
  return ("%s 0x%02X %s%s"):format(source, row.code, row.name, more or "")
end

local function has_reason(reason, source, row, class)
  assert.same({ name = row.name, class = class, code = row.code, source = source, text = reason.text }, reason)
  assert.matches("^%S.*[^.%s]$", reason.text)
end

local function within(delays, wait)
  local low, high = WAITS[wait][1], WAITS[wait][2]
  table.sort(delays)
  local margin = (high - low) / 5
  assert.is_true(delays[1] >= low and delays[#delays] <= high, ("%g to %g, not %g to %g"):format(delays[1],
    delays[#delays], low, high))
  assert.is_true(delays[1] <= low + margin and delays[#delays] >= high - margin,
    ("%g to %g is not all of %g to %g"):format(delays[1], delays[#delays], low, high))
end

-- The end of a connection or an attempt, as told in `entry`, and everything that must follow from it.
local function check_end(client, book, entry, source, row, class)
  local event = entry.event
  has_reason(event.reason, source, row, class)
  local history = client:history()
  local record = history[#history]
  assert.same({ row.name, class, row.code, source, entry.name == "lost" and "up" or PHASES[source], event.retry_in },
    { record.name, record.class, record.code, record.source, record.phase, record.delay })
  local status = client:status()
  has_reason(status.reason, source, row, class)
  if class == "stop" then
    assert.is_nil(event.retry_in)
    assert.equal("sleeping", status.state)
    assert.is_nil(status.retry_in)
    local sleeping = book:last "sleeping"
    assert.equal(entry.at, sleeping.at)
    assert.is_nil(sleeping.event.wake_in)
    has_reason(sleeping.event.reason, source, row, "stop")
  else
    assert.equal("waiting", status.state)
    assert.equal(event.retry_in, status.retry_in)
    assert.equal(0, #book:all "sleeping")
  end
end

-- The next attempt begins when it was announced, or never.
local function check_next(client, book, ended, class)
  local before = #book
  if class == "stop" then
    world:pass(86400)
    assert.equal(before, #book)
    assert.is_true(client:wake())
    world:pass(0)
    assert.same({ "connecting", 1 }, { book[before + 1].name, book[before + 1].event.attempt })
    return
  end
  world:pass(ended.event.retry_in)
  local after = book[before + 1]
  assert.same({ "connecting", 2 }, { after.name, after.event.attempt })
  assert.is_true(math.abs(after.at - ended.at - ended.event.retry_in) < 0.0005)
end

describe("of a refusal,", function()
  before_each(function()
    world = whole.new()
  end)

  after_each(function()
    world:finish()
  end)

  for _, refusals in ipairs(REFUSALS) do
    local source, protocol, rows = refusals[1], refusals[2], refusals[3]
    for _, row in ipairs(rows) do
      it(title(source, row, " is " .. row.class), function()
        probe.script { connect = "refuse", source = source, code = row.code }
        local delays, client, book = {}, nil, nil
        for index = 1, CLIENTS do
          client, book = world:client { protocol = protocol }
          client:start()
          world:pass(0)
          local words = row.class == "stop" and "connecting failed sleeping" or "connecting failed"
          assert.equal(words, book:words())
          assert.equal(1, book[2].event.attempt)
          check_end(client, book, book[2], source, row, row.class)
          delays[index] = book[2].event.retry_in
        end
        if row.wait then
          within(delays, row.wait)
        end
        check_next(client, book, book[2], row.class)
      end)

      if row.class ~= "stop" then
        it(title(source, row, (" %s the server"):format(row.leaves and "leaves" or "stays with")), function()
          probe.script { connect = "refuse", source = source, code = row.code }
          local delays = {}
          for index = 1, CLIENTS do
            local client, book = world:client { protocol = protocol, servers = { "mqtt://a", "mqtt://b" } }
            client:start()
            world:pass(0)
            check_end(client, book, book[2], source, row, row.two or row.class)
            delays[index] = book[2].event.retry_in
            client:reconnect()
            world:pass(0)
            assert.equal("mqtt://a", book[1].event.server)
            assert.equal(row.leaves and "mqtt://b" or "mqtt://a", book[3].event.server)
          end
          -- A client that moves on waits as usual: the slow floor protects the server that it leaves.
          within(delays, row.leaves and (row.wait == "wide" and "wide" or "backoff") or row.wait)
        end)
      end
    end
  end

  it("connack 0x00 success is none", function()
    local client, book = world:client()
    client:start()
    world:pass(0)
    assert.equal("connecting connected ready", book:words())
    assert.equal("connected", client:status().state)
  end)
end)

describe("of a loss,", function()
  before_each(function()
    world = whole.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function connect(count, servers)
    local clients, books = {}, {}
    for index = 1, count do
      clients[index], books[index] = world:client { servers = servers }
      clients[index]:start()
    end
    world:pass(20)
    return clients, books
  end

  for _, losses in ipairs(LOSSES) do
    local source, rows = losses[1], losses[2]
    for _, row in ipairs(rows) do
      it(title(source, row, " is " .. row.class), function()
        local clients, books = connect(CLIENTS)
        probe.script { connect = "refuse", source = "network", code = 2 }
        local delays = {}
        for index, client in ipairs(clients) do
          probe.drop(index, source, row.code)
          world:pass(0)
          local book = books[index]
          local words = "connecting connected ready lost" .. (row.class == "stop" and " sleeping" or "")
          assert.equal(words, book:words())
          assert.equal(20, book[4].event.uptime)
          check_end(client, book, book[4], source, row, row.class)
          assert.equal("up", client:history()[1].phase)
          delays[index] = book[4].event.retry_in
        end
        if row.wait then
          within(delays, row.wait)
        end
        -- A stable connection began the count anew, so this is the first attempt of the next outage.
        local last = #clients
        if row.class == "stop" then
          check_next(clients[last], books[last], books[last][4], row.class)
        else
          world:pass(delays[#delays])
          for index = 1, last do
            local lost, after = books[index][4], books[index][5]
            assert.same({ "connecting", 1 }, { after.name, after.event.attempt })
            assert.is_true(math.abs(after.at - lost.at - lost.event.retry_in) < 0.0005)
          end
        end
      end)

      if row.class ~= "stop" then
        it(title(source, row, (" %s the server"):format(row.leaves and "leaves" or "stays with")), function()
          local clients, books = connect(CLIENTS, { "mqtt://a", "mqtt://b" })
          local delays = {}
          for index, client in ipairs(clients) do
            probe.drop(index, source, row.code)
            world:pass(0)
            local book = books[index]
            check_end(client, book, book[4], source, row, row.two or row.class)
            delays[index] = book[4].event.retry_in
            client:reconnect()
            world:pass(0)
            assert.equal(row.leaves and "mqtt://b" or "mqtt://a", book[5].event.server)
          end
          within(delays, row.leaves and (row.wait == "wide" and "wide" or "backoff") or row.wait)
        end)
      end
    end
  end
end)
