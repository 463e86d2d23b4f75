-- `holdfast check` against brokers that are well, and against broken ones: each fault has its name and its exit status.
local certificates = require "spec.support.certificates"
local files = require "spec.support.files"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local proxies = require "spec.support.proxies"
local quic_server = require "spec.support.quic_server"
local scripted = require "spec.support.scripted_broker"
local sockets = require "socket_probe"
local websocket = require "spec.support.websocket"

local unpack = table.unpack or unpack

describe("holdfast check #broker", function()
  local folder, listener

  setup(function()
    folder = certificates.make()
    -- One that ends in three days, and a few hours so that a slow run counts the same.
    files.write(folder .. "/soon.ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    assert(os.execute(("cd %s && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out soon.key 2>>log "
      .. "&& openssl req -new -key soon.key -subj /CN=soon -out soon.csr && openssl ca -batch -notext -config ca.cnf "
      .. "-cert ca.pem -keyfile ca.key -extfile soon.ext -startdate 20200101000000Z -enddate %s -in soon.csr "
      .. "-out soon.pem 2>>log"):format(folder, os.date("!%Y%m%d%H%M%SZ", os.time() + 3 * 86400 + 7200))))
  end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    quic_server.finish()
    proxies.finish()
    mosquitto.finish()
    if listener then listener:close() end
    listener = nil
  end)

  -- Meanwhile each connection that comes to the listener is given to `behave`: its socket and its number.
  local function serve(pid, behave)
    local count = 0
    while true do
      local how, status = process.wait(pid, 0)
      if how then return how, status end
      local client = behave and listener:accept(2)
      if client then
        count = count + 1
        behave(client, count)
      elseif not behave then
        process.sleep(2)
      end
    end
  end

  -- The exit status of a run, and what it has printed.
  local function run(words, behave)
    local output = folder .. "/said"
    os.remove(output)
    local pid = assert(process.spawn({ os.getenv "LUA" or arg[-1], "bin/holdfast", "check", unpack(words) }, output))
    local how, status = serve(pid, behave)
    local said = files.read(output)
    assert.equal("exited", how, said)
    return status, said
  end

  local function listen()
    local port
    listener, port = sockets.listen()
    return port
  end

  local function has(said, ...)
    for _, words in ipairs { ... } do
      assert.truthy(said:find(words, 1, true), words .. " is not in: " .. said)
    end
  end

  -- A run that ends with this status and names this fault.
  local function fails(status, name, words, behave)
    local ended, said = run(words, behave)
    has(said, "wrong: " .. name .. " (")
    assert.equal(status, ended, said)
    return said
  end

  local function secured(name, more)
    local lines = { "certfile " .. folder .. "/" .. name .. ".pem", "keyfile " .. folder .. "/" .. name .. ".key" }
    for _, line in ipairs(more or {}) do
      lines[#lines + 1] = line
    end
    return "mqtts://localhost:" .. mosquitto.start { lines = lines }.port
  end

  local function plain(lines, options)
    options = options or {}
    options.lines = lines
    return "mqtt://127.0.0.1:" .. mosquitto.start(options).port
  end

  local CA

  before_each(function() CA = "--cafile=" .. folder .. "/ca.pem" end)

  -- What has come first, and a client of `scripted_broker` if that is a CONNECT.
  local function greeted(socket)
    local bytes = socket:some(65536, 2000) or ""
    local level = bytes:match "MQTT([\4\5])"
    local client = scripted.over(socket)
    client.level = level and level:byte()
    return level and client, bytes
  end

  -- A broker that answers each CONNECT so; TLS it does not know.
  local function answering(options)
    return function(socket)
      local client = greeted(socket)
      if client then client:connack(options) end
      socket:close()
    end
  end

  describe("with a broker that is well", function()
    it("shows all there is, and a message there and back", function()
      local status, said = run { plain { "max_inflight_messages 7", "set_tcp_nodelay true" } }
      assert.equal(0, status, said)
      has(said, "by the native transport", "connected    127.0.0.1 port ", "MQTT 5, accepted, without a session",
        "receive maximum             7\n", "topic alias maximum         10\n", "retain available            yes\n",
        "subscribed   holdfast/check/", "there and back at QoS 1 in ", "all is well\n")
    end)

    it("shows whom it trusts over TLS", function()
      local status, said = run { CA, "--qos=2", secured "server" }
      assert.equal(0, status, said)
      has(said, "1  /CN=server\n", "for localhost, 127.0.0.1, ::1\n", "by /CN=holdfast spec\n",
        "valid from 2020-01-01 to 2099-12-31, ", "trusted, and for localhost\n", "TLSv1.3, ", "at QoS 2 in ")
    end)

    it("does as it is told", function()
      local status, said = run { "--no-message", "-V", "mqttv311", plain() }
      assert.equal(0, status, said)
      has(said, "MQTT 3.1.1, accepted")
      assert.is_nil(said:find("there and back", 1, true))
      status, said = run { "--topic-prefix=a/b", "--qos=0", plain() }
      assert.equal(0, status, said)
      has(said, "subscribed   a/b/", "at QoS 0 in ")
      assert.same({ 0, "" }, { run { "--quiet", plain() } })
    end)

    it("says it all in one object, too", function()
      local status, said = run { "--json", CA, secured "server" }
      assert.equal(0, status, said)
      has(said, '"ok":true,"status":0,"warnings":[],"message":{"topic":"holdfast/check/', '{"step":"certificates",',
        '"chain":[{"subject":"/CN=server","issuer":"/CN=holdfast spec","names":["localhost","127.0.0.1","::1"],',
        '"receive_maximum":20', '"transport":"native","protocol":5')
      assert.matches("^{[^\n]*}\n$", said)
    end)

    it("warns of what will not be well for long", function()
      local status, said = run { CA, secured "soon" }
      assert.equal(10, status, said)
      has(said, "warning: certificate_ends: the certificate /CN=soon ends in 3 days\n", "3 days left",
        "all else is well\n")
      assert.equal(0, (run { CA, "--warn-days=3", "--no-message", secured "soon" }))
      status, said = run { "--insecure", "--quiet", secured "lonely" }
      assert.equal(10, status, said)
      has(said, "warning: not_verified: the certificate is not trusted, and taken all the same: self")
    end)

    it("does not call trusted whom nobody has looked at", function()
      local missing = quic_server.missing()
      if missing then
        pending(missing)
        return
      end
      local server = quic_server.start { upstream = plain():match "%d+$", folder = folder, certificate = "lonely" }
      local status, said = run { "--insecure", "--no-message", "quic://127.0.0.1:" .. server.port }
      assert.equal(10, status, said)
      has(said, " by QUIC\n", "1  /CN=lonely\n", "not checked\n", "within QUIC\n", "the certificate is not checked\n")
      assert.is_nil(said:find("trusted, and", 1, true))
    end)

    it("tells of one that speaks 3.1.1 alone", function()
      local port = listen()
      local status, said = run({ "--no-message", "mqtt://127.0.0.1:" .. port }, function(socket)
        local client = greeted(socket)
        if client then client:connack { code = client.level == 5 and 0x84 or 0 } end
        socket:some(1, 2000) -- DISCONNECT, or the end
        socket:close()
      end)
      assert.equal(10, status, said)
      has(said, "unsupported_protocol_version", "once more, with MQTT 3.1.1\n", "warning: only_mqtt_3: ")
      -- As some do it that know no better.
      status, said = run({ "--no-message", "mqtt://127.0.0.1:" .. port }, function(socket)
        local client = greeted(socket)
        if client and client.level == 4 then client:connack():packet(2000) end
        socket:close()
      end)
      assert.equal(10, status, said)
      has(said, "warning: only_mqtt_3: ")
    end)
  end)

  describe("on the way to a broker", function()
    it("finds no name", function()
      local status, said = run { "--timeout=5", "mqtt://nothing.invalid" }
      assert.equal(11, status, said)
      -- What there is of name servers is the machine's affair.
      assert.is_true(said:find "wrong: name_not_found %(network, 6, " ~= nil or said:find "wrong: name_server_failing "
        ~= nil or said:find "wrong: connect_timeout %([^)]* phase dns%)" ~= nil, said)
    end)

    it("finds nobody listening", function()
      local said = fails(12, "connection_refused", { "mqtt://127.0.0.1:" .. process.free_port() })
      has(said, "(network, 2, class retry, phase tcp): 127.0.0.1: Connection refused\n", "nothing listens at that port")
    end)

    it("finds no socket at a path", function()
      fails(12, "socket_not_found", { "unix://" .. folder .. "/nothing" })
    end)

    it("finds a proxy that wants a password", function()
      local proxy = proxies.http { login = { "user", "secret" } }
      local said = fails(13, "proxy_407", { "--proxy=http://127.0.0.1:" .. proxy.port, "mqtt://127.0.0.1:1" })
      has(said, "phase proxy", "user:password@")
    end)

    it("finds a proxy that has no way to the broker", function()
      local proxy = proxies.socks()
      fails(13, "socks_connection_refused", { "--proxy=socks5://127.0.0.1:" .. proxy.port, "mqtt://127.0.0.1:1" })
    end)

    it("finds a WebSocket that is not let in, or is not there", function()
      local port = listen()
      for code, name in pairs { [403] = "http_403", [404] = "http_404" } do
        fails(15, name, { ("ws://127.0.0.1:%d/mqtt"):format(port) }, function(socket)
          websocket.request(socket)
          socket:send(("HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n"):format(code))
          socket:close()
        end)
      end
      local status, said = run({ "--json", ("ws://127.0.0.1:%d/mqtt"):format(port) }, function(socket)
        websocket.request(socket)
        socket:send "HTTP/1.1 500 \255 no UTF-8\r\nContent-Length: 0\r\n\r\n"
        socket:close()
      end)
      assert.equal(15, status, said)
      has(said, '"fault":{"name":"http_5xx","source":"http","code":500,', '"text":"HTTP 500 ? no UTF-8"')
    end)
  end)

  describe("on TLS", function()
    it("finds certificates that are not to be trusted", function()
      for name, code in pairs { expired = "tls_expired", future = "tls_not_yet_valid", other = "tls_hostname",
        lonely = "tls_self_signed", absent = "tls_unknown_ca" } do
        local said = fails(14, code, { CA, secured(name) })
        has(said, "1  /CN=" .. name .. "\n", "not trusted: ")
      end
    end)

    it("finds a broker that wants a certificate of ours", function()
      fails(14, "tls_client_certificate", { CA, secured("server", { "require_certificate true", "cafile " .. folder
        .. "/ca.pem" }) })
    end)

    it("finds TLS where none was expected", function()
      local port = secured("server"):match "%d+$"
      local said = fails(14, "tls_expected", { "mqtt://127.0.0.1:" .. port })
      has(said, "Say mqtts://")
    end)

    it("finds none where it was", function()
      local said = fails(14, "tls_not_spoken", { (plain():gsub("mqtt:", "mqtts:")) })
      has(said, "Say mqtt://")
    end)
  end)

  describe("with what is no broker", function()
    it("finds silence", function()
      local port = listen()
      local said = fails(16, "connect_timeout", { "--timeout=0.3", "mqtt://127.0.0.1:" .. port })
      has(said, "phase connack", "does not answer CONNECT")
    end)

    it("finds one that hangs up", function()
      local port = listen()
      fails(16, "closed_before_connack", { "mqtt://127.0.0.1:" .. port }, function(socket)
        greeted(socket)
        socket:close()
      end)
    end)

    it("finds one that speaks HTTP", function()
      local port = listen()
      local said = fails(16, "closed_before_connack", { "mqtt://127.0.0.1:" .. port }, function(socket)
        greeted(socket)
        socket:send "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        socket:close()
      end)
      has(said, "speaks HTTP")
    end)

    it("finds one that breaks the protocol", function()
      local port = listen()
      fails(16, "protocol_error", { "mqtt://127.0.0.1:" .. port }, function(socket)
        local client = greeted(socket)
        if client then client:send("pingresp", "") end
        socket:close()
      end)
    end)
  end)

  describe("with a broker that will not", function()
    it("finds why, by the code and the words of its CONNACK", function()
      local port = listen()
      for code, case in pairs {
        [0x85] = { 18, "client_id_not_valid" }, [0x86] = { 18, "bad_user_name_or_password" },
        [0x88] = { 19, "server_unavailable" }, [0x89] = { 19, "server_busy" }, [0x97] = { 19, "quota_exceeded" },
      } do
        local said = fails(case[1], case[2], { "mqtt://127.0.0.1:" .. port }, answering { code = code,
          properties = { scripted.text(31, "because of " .. case[2]), scripted.pair(38, "place", "here") } })
        has(said, ("refused, code 0x%02X"):format(code), ("(connack, 0x%02X, class "):format(code),
          "because of " .. case[2], "place = here")
      end
    end)

    it("finds that the user is not known", function()
      files.write(folder .. "/users", "somebody:$7$101$aaaaaaaaaaaaaaaa$aaaaaaaa\n")
      local said = fails(18, "not_authorized", { "-u", "kitchen", "-P", "wrong",
        plain({ "password_file " .. folder .. "/users" }, { authenticated = true }) })
      has(said, "0x87")
    end)

    it("finds where it sends its clients", function()
      local port = listen()
      local said = fails(20, "use_another_server", { "mqtt://127.0.0.1:" .. port }, answering { code = 0x9C,
        properties = { scripted.text(28, "other.example:1883") } })
      has(said, "it names other.example:1883\n")
    end)

    it("finds that it speaks no version that we do", function()
      local port = listen()
      fails(17, "unsupported_protocol_version", { "mqtt://127.0.0.1:" .. port }, function(socket)
        local client = greeted(socket)
        if client then client:connack { code = client.level == 5 and 0x84 or 1 } end
        socket:close()
      end)
    end)
  end)

  describe("with a message that does not come back", function()
    it("finds rules that drop it on the way back", function()
      files.write(folder .. "/rules", "topic write holdfast/#\n")
      local said = fails(21, "message_not_returned", { "--timeout=0.5", plain { "acl_file " .. folder .. "/rules" } })
      has(said, "subscribed   ", "did not come back within 0.5 s")
    end)

    it("finds rules that forbid it", function()
      files.write(folder .. "/rules", "topic read holdfast/#\n")
      local said = fails(21, "not_authorized", { plain { "acl_file " .. folder .. "/rules" } })
      has(said, "(puback, 0x87, ")
    end)

    local function after_connack(more)
      return function(socket)
        local client = greeted(socket)
        if not client then return end
        client:connack()
        more(client, client:expect "subscribe")
      end
    end

    it("finds that the subscription is refused", function()
      local port = listen()
      local said = fails(21, "not_authorized", { "mqtt://127.0.0.1:" .. port }, after_connack(function(client, packet)
        client:suback(packet.id, 0x87):packet(2000)
        client.socket:close()
      end))
      has(said, "(suback, 0x87, ", "--topic-prefix")
    end)

    it("finds that the connection is lost meanwhile", function()
      local port = listen()
      local ended, said = run({ "mqtt://127.0.0.1:" .. port }, answering())
      assert.equal(22, ended, said) -- lost, or reset, as the system's buffers have it
      fails(22, "server_shutting_down", { "mqtt://127.0.0.1:" .. port }, after_connack(function(client)
        client:disconnect(0x8B)
        client.socket:close()
      end))
    end)
  end)

  it("is told what is wrong with its arguments", function()
    for _, words in ipairs { { "--qos=3", "mqtt://x" }, { "--transport=paho", "mqtt://x" }, { "ftp://x" },
      { "--warn-days=soon", "mqtt://x" }, {}, { "--topic-prefix=a/#", "mqtt://x" } } do
      local status, said = run(words)
      assert.equal(2, status, said)
      assert.matches("^holdfast check: ", said)
    end
  end)
end)
