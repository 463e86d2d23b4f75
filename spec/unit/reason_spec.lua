-- The table of reasons, walked both ways, and every row of the rules it was made from.
local reason = require("holdfast.core").reason

-- { code, class[, later, after][, flag ...] }: what the rules of reconnecting say of each code.
local RULES = {
  connack = {
    { 0x00, "none" },
    { 0x80, "retry" }, { 0x81, "stop" }, { 0x82, "stop" }, { 0x83, "slow", "stop", 3 }, { 0x84, "stop" },
    { 0x85, "stop" }, { 0x86, "slow", fresh_credentials = true }, { 0x87, "slow", fresh_credentials = true },
    { 0x88, "retry", may_switch = true }, { 0x89, "slow", may_switch = true }, { 0x8A, "stop" }, { 0x8C, "stop" },
    { 0x90, "stop" }, { 0x95, "stop" }, { 0x97, "slow", floor = 60 }, { 0x99, "stop" }, { 0x9A, "stop" },
    { 0x9B, "stop" }, { 0x9C, "switch" }, { 0x9D, "switch" }, { 0x9F, "slow", wide = true },
  },
  connack_v3 = {
    { 0, "none" }, { 1, "stop" }, { 2, "stop" }, { 3, "retry", may_switch = true },
    { 4, "slow", fresh_credentials = true }, { 5, "slow", fresh_credentials = true },
  },
  disconnect = {
    { 0x00, "retry" }, { 0x04, "slow", "stop", 2 }, { 0x80, "retry" }, { 0x81, "slow", "stop", 2 },
    { 0x82, "slow", "stop", 2 }, { 0x83, "slow" }, { 0x87, "slow", fresh_credentials = true },
    { 0x89, "slow", may_switch = true }, { 0x8B, "retry", may_switch = true, wide = true }, { 0x8C, "stop" },
    { 0x8D, "retry" }, { 0x8E, "slow", "stop", 2 }, { 0x8F, "retry" }, { 0x90, "retry" }, { 0x93, "retry" },
    { 0x94, "retry" }, { 0x95, "retry" }, { 0x96, "slow" }, { 0x97, "slow", floor = 60 },
    { 0x98, "slow", floor = 60 }, { 0x99, "retry" }, { 0x9A, "retry" }, { 0x9B, "retry" }, { 0x9C, "switch" },
    { 0x9D, "switch" }, { 0x9E, "retry" }, { 0x9F, "slow", wide = true }, { 0xA0, "retry" }, { 0xA1, "retry" },
    { 0xA2, "retry" },
  },
  suback = {
    { 0x00, "none" }, { 0x01, "none" }, { 0x02, "none" }, { 0x80, "none" }, { 0x83, "none" }, { 0x87, "none" },
    { 0x8F, "none" }, { 0x91, "none" }, { 0x95, "none" }, { 0x97, "none" }, { 0x9E, "none" }, { 0xA1, "none" },
    { 0xA2, "none" },
  },
  unsuback = {
    { 0x00, "none" }, { 0x11, "none" }, { 0x80, "none" }, { 0x83, "none" }, { 0x87, "none" }, { 0x8F, "none" },
    { 0x91, "none" },
  },
  puback = {
    { 0x00, "none" }, { 0x10, "none" }, { 0x80, "none" }, { 0x83, "none" }, { 0x87, "none" }, { 0x90, "none" },
    { 0x91, "none" }, { 0x92, "none" }, { 0x97, "none" }, { 0x99, "none" },
  },
  paho = {
    { -99, "retry" }, { -18, "retry" }, { -17, "stop" }, { -16, "stop" }, { -15, "stop" }, { -14, "stop" },
    { -13, "stop" }, { -12, "retry" }, { -11, "retry" }, { -10, "retry" }, { -9, "stop" }, { -8, "stop" },
    { -7, "stop" }, { -6, "stop" }, { -5, "stop" }, { -4, "retry" }, { -3, "retry" }, { -2, "retry" },
    { -1, "retry", may_switch = true }, { 0, "none" },
  },
  proxy = {
    { 1, "slow", may_switch = true }, { 2, "retry", "slow", 3, may_switch = true },
    { 300, "slow", may_switch = true }, { 400, "slow", may_switch = true }, { 401, "slow", fresh_credentials = true },
    { 403, "slow", may_switch = true }, { 407, "slow", fresh_credentials = true },
    { 429, "slow", may_switch = true }, { 500, "retry", may_switch = true },
  },
  socks = {
    { 1, "retry", may_switch = true }, { 2, "slow", may_switch = true }, { 3, "retry", may_switch = true },
    { 4, "retry", may_switch = true }, { 5, "retry", may_switch = true }, { 6, "retry", may_switch = true },
    { 7, "slow", may_switch = true }, { 8, "slow", may_switch = true }, { 256, "slow", fresh_credentials = true },
  },
  http = {
    { 200, "slow", may_switch = true }, { 300, "slow", may_switch = true }, { 400, "slow", may_switch = true },
    { 401, "slow", fresh_credentials = true }, { 403, "slow", fresh_credentials = true },
    { 404, "slow", may_switch = true }, { 429, "slow", may_switch = true }, { 500, "retry", may_switch = true },
  },
  quic = {
    { 0x02, "retry", may_switch = true }, { 1000, "slow", may_switch = true }, { 1001, "retry", may_switch = true },
    { 1002, "retry", may_switch = true }, { 1003, "slow", may_switch = true },
    { 1004, "retry", "slow", 3, may_switch = true },
  },
}

-- Close frames of a WebSocket; smaller numbers are ours.
local CLOSE_CODES = {
  { 1001, "retry", may_switch = true, wide = true }, { 1008, "slow", fresh_credentials = true },
  { 1012, "retry", may_switch = true, wide = true }, { 1013, "slow", may_switch = true },
}

-- The same where codes are ours: by name.
local NAMED = {
  network = {
    { "connect_failed", "retry", may_switch = true }, { "connection_refused", "retry", may_switch = true },
    { "unreachable", "retry", may_switch = true }, { "connection_reset", "retry", may_switch = true },
    { "timed_out", "retry", may_switch = true }, { "name_not_found", "slow", may_switch = true },
    { "name_server_failing", "retry", may_switch = true },
    { "closed_before_connack", "retry", "slow", 3, may_switch = true }, { "connection_lost", "retry" },
    { "proxy_variable", "stop" }, { "socket_not_found", "retry", may_switch = true },
    { "permission_denied", "slow", may_switch = true },
  },
  websocket = {
    { "websocket_handshake", "slow", may_switch = true }, { "websocket_subprotocol", "slow", may_switch = true },
    { "websocket_violation", "slow" },
  },
  tls = {
    { "tls_failed", "slow", may_switch = true }, { "tls_certificate", "slow", may_switch = true },
    { "tls_expired", "slow", may_switch = true }, { "tls_not_yet_valid", "slow", may_switch = true },
    { "tls_unknown_ca", "slow", may_switch = true }, { "tls_self_signed", "slow", may_switch = true },
    { "tls_hostname", "slow", may_switch = true }, { "tls_handshake", "retry", "slow", 3, may_switch = true },
    { "tls_client_certificate", "slow" }, { "tls_file", "slow" }, { "tls_version", "slow", may_switch = true },
    { "tls_pin", "slow", may_switch = true }, { "tls_revoked", "slow", may_switch = true },
    { "tls_crl", "slow", may_switch = true }, { "tls_ocsp", "slow", may_switch = true },
    { "tls_token", "slow" }, { "tls_token_login", "stop" },
  },
  client = {
    { "connect_timeout", "retry", may_switch = true }, { "credentials_timeout", "slow", fresh_credentials = true },
    { "credentials_failed", "slow", fresh_credentials = true }, { "slow_consumer", "retry" },
    { "session_mismatch", "retry" }, { "max_attempts", "stop" }, { "backoff_stopped", "stop" }, { "closed", "stop" },
    { "collected", "stop" }, { "reconnect", "retry" }, { "probe_timeout", "retry" }, { "subscribe_timeout", "retry" },
    { "out_of_memory", "retry" }, { "downgraded", "retry" }, { "upgraded", "retry" }, { "protocol_error", "slow" },
    { "malformed_packet", "slow" }, { "packet_too_large", "slow" },
    { "auth_server", "slow", fresh_credentials = true }, { "channel_binding", "slow", may_switch = true },
  },
}

-- Names that programs compare with: they never change.
local NAMES = {
  connack = {
    [0x00] = "success", [0x80] = "unspecified_error", [0x81] = "malformed_packet", [0x82] = "protocol_error",
    [0x83] = "implementation_specific", [0x84] = "unsupported_protocol_version", [0x85] = "client_id_not_valid",
    [0x86] = "bad_user_name_or_password", [0x87] = "not_authorized", [0x88] = "server_unavailable",
    [0x89] = "server_busy", [0x8A] = "banned", [0x8C] = "bad_authentication_method", [0x90] = "topic_name_invalid",
    [0x95] = "packet_too_large", [0x97] = "quota_exceeded", [0x99] = "payload_format_invalid",
    [0x9A] = "retain_not_supported", [0x9B] = "qos_not_supported", [0x9C] = "use_another_server",
    [0x9D] = "server_moved", [0x9F] = "connection_rate_exceeded",
  },
  connack_v3 = {
    [0] = "success", "unsupported_protocol_version", "client_id_not_valid", "server_unavailable",
    "bad_user_name_or_password", "not_authorized",
  },
  disconnect = {
    [0x00] = "normal_disconnection", [0x04] = "disconnect_with_will", [0x8B] = "server_shutting_down",
    [0x8D] = "keep_alive_timeout", [0x8E] = "session_taken_over", [0x8F] = "topic_filter_invalid",
    [0x93] = "receive_maximum_exceeded", [0x94] = "topic_alias_invalid", [0x96] = "message_rate_too_high",
    [0x98] = "administrative_action", [0x9E] = "shared_subscriptions_not_supported", [0xA0] = "maximum_connect_time",
    [0xA1] = "subscription_identifiers_not_supported", [0xA2] = "wildcard_subscriptions_not_supported",
  },
  suback = { [0] = "granted_qos_0", "granted_qos_1", "granted_qos_2" },
  unsuback = { [0x11] = "no_subscription_existed" },
  quic = {
    [0x02] = "quic_refused", [1000] = "quic_version", [1001] = "quic_idle_timeout", [1002] = "quic_blocked",
    [1003] = "quic_missing", [1004] = "quic_failed",
  },
  puback = { [0x10] = "no_matching_subscribers", [0x92] = "packet_identifier_not_found" },
}

local function as_rule(row, key)
  return { key, row.class, row.after > 0 and row.later or nil, row.after > 0 and row.after or nil,
    fresh_credentials = row.fresh_credentials or nil, may_switch = row.may_switch or nil,
    wide = row.wide or nil, floor = row.floor > 0 and row.floor or nil }
end

local function is_catch_all(row)
  return row.name:match "^unknown_" ~= nil or row.name == "websocket_closed" or row.name == "quic_closed"
end

describe("the table of reasons", function()
  local all = reason.all()

  it("has the sources and classes that the documentation lists", function()
    assert.same({ "none", "retry", "slow", "switch", "stop" }, reason.classes)
    assert.same({ "connack", "connack_v3", "disconnect", "suback", "unsuback", "puback", "paho", "network", "tls",
      "proxy", "socks", "http", "websocket", "quic", "client" }, reason.sources)
  end)

  it("is found by its codes, row by row", function()
    for position, row in ipairs(all) do
      assert.equal(position - 1, row.row)
      assert.same(row, reason.find(row.source, row.code))
    end
  end)

  for source, rules in pairs(RULES) do
    it("says of " .. source .. " what the rules say, and has no row beyond them", function()
      local found = {}
      for _, row in ipairs(all) do
        if row.source == source and not is_catch_all(row) then
          found[#found + 1] = as_rule(row, row.code)
        end
      end
      assert.same(rules, found)
    end)
  end

  for source, rules in pairs(NAMED) do
    it("says of " .. source .. " what the rules say, and has no row beyond them", function()
      local found = {}
      for _, row in ipairs(all) do
        if row.source == source and not is_catch_all(row) and row.code < 1000 then
          assert.equal(#found + 1, row.code)
          found[#found + 1] = as_rule(row, row.name)
        end
      end
      assert.same(rules, found)
    end)
  end

  it("says of the close codes of WebSockets what the rules say, and has no row beyond them", function()
    local found = {}
    for _, row in ipairs(all) do
      if row.source == "websocket" and row.code >= 1000 then
        found[#found + 1] = as_rule(row, row.code)
      end
    end
    assert.same(CLOSE_CODES, found)
  end)

  it("has a row of HTTP for each hundred, unless a status has its own", function()
    for status, name in pairs { [204] = "http_2xx", [301] = "http_3xx", [400] = "http_4xx", [402] = "http_4xx",
      [401] = "http_401", [403] = "http_403", [404] = "http_404", [429] = "http_429", [499] = "http_4xx",
      [500] = "http_5xx", [503] = "http_5xx", [599] = "http_5xx", [100] = "unknown_http", [700] = "unknown_http" } do
      assert.same({ name, status }, { reason.find("http", status).name, reason.find("http", status).code })
    end
  end)

  it("has a row of a proxy's answers in HTTP for most hundreds, unless a status has its own", function()
    for status, name in pairs { [302] = "proxy_3xx", [400] = "proxy_4xx", [401] = "proxy_401", [403] = "proxy_403",
      [404] = "proxy_4xx", [407] = "proxy_407", [429] = "proxy_429", [500] = "proxy_5xx", [504] = "proxy_5xx",
      [101] = "unknown_proxy", [600] = "unknown_proxy", [1] = "proxy_handshake", [2] = "proxy_closed" } do
      assert.same({ name, status }, { reason.find("proxy", status).name, reason.find("proxy", status).code })
    end
  end)

  it("keeps its names", function()
    for source, names in pairs(NAMES) do
      for code, name in pairs(names) do
        assert.equal(name, reason.find(source, code).name)
      end
    end
  end)

  it("has one name a row within a source, lowercase words, and a text of one sentence", function()
    local seen = {}
    for _, row in ipairs(all) do
      local key = row.source .. "." .. row.name
      assert.is_nil(seen[key], key)
      seen[key] = true
      assert.matches("^%l[%l%d]*[%l%d_]*$", row.name)
      assert.matches("^%S.*[^.%s]$", row.text)
    end
  end)

  it("has a later class only where it counts failures in a row", function()
    for _, row in ipairs(all) do
      assert.equal(row.after > 0, row.class ~= row.later)
    end
  end)
end)

describe("an unknown code", function()
  -- A code that the broker may not send is a protocol error: slow, and stop at the second in a row.
  local expected = {
    connack = { "unknown_connack", "slow", "stop", 2 }, connack_v3 = { "unknown_connack", "slow", "stop", 2 },
    disconnect = { "unknown_disconnect", "slow", "stop", 2 }, suback = { "unknown_suback", "none" },
    unsuback = { "unknown_unsuback", "none" }, puback = { "unknown_puback", "none" },
    paho = { "unknown_paho", "retry" }, http = { "unknown_http", "slow", may_switch = true },
    proxy = { "unknown_proxy", "slow", may_switch = true }, socks = { "unknown_socks", "slow", may_switch = true },
    websocket = { "websocket_closed", "retry", may_switch = true },
    quic = { "quic_closed", "retry", may_switch = true },
    network = { "unknown_network", "retry" }, tls = { "unknown_tls", "slow" },
    client = { "unknown_client", "retry" },
  }

  it("answers, whatever it is, with its own number", function()
    local known = {}
    for _, row in ipairs(reason.all()) do
      known[row.source .. row.code] = not is_catch_all(row)
    end
    for _, source in ipairs(reason.sources) do
      local answered = 0
      for code = -300, 300 do
        local row = reason.find(source, code)
        assert.equal(code, row.code)
        assert.equal(source, row.source)
        local by_hundreds = source == "http" or source == "proxy" and code >= 100
        local of_hundred = by_hundreds and known[source .. math.floor(code / 100) * 100]
        if not known[source .. code] and not of_hundred then
          answered = answered + 1
          assert.same(expected[source], as_rule(row, row.name))
        end
      end
      assert.is_true(answered >= 500, source)
    end
    assert.equal("unknown_disconnect", reason.find("disconnect", 32767).name)
    assert.equal("unknown_disconnect", reason.find("disconnect", -32768).name)
  end)

  it("of no known source, or no number, is misuse", function()
    assert.error_matches(function() reason.find("connak", 1) end, "no such source")
    assert.error_matches(function() reason.find("connack", "1") end, "whole number")
    assert.error_matches(function() reason.find("connack", 1.5) end, "whole number")
    assert.error_matches(function() reason.find("connack", 40000) end, "whole number of 16 bits")
  end)
end)
