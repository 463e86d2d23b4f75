-- A broker behind a proxy: tinyproxy, squid, microsocks and nginx's TLS in front of one, and a scripted one for what
-- none of them says.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local proxies = require "spec.support.proxies"
local revocation = require "spec.support.revocation"
local shim = require "spec.support.shim"
local sockets = require "socket_probe"

local unpack = table.unpack or unpack

local LOGIN = { "user", "secret" }

describe("a broker behind a proxy #broker", function()
  local folder, listener

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    proxies.finish()
    mosquitto.finish()
    if listener then listener:close() end
    listener = nil
  end)

  local function client_of(server, proxy, more)
    local options = { server = server, proxy = proxy, transport = "native", connect_timeout = 5,
      backoff = { strategy = "constant", min = 0.1, jitter = "none" },
      policy = { slow = { strategy = "constant", min = 0.2, max = 2, jitter = "none" } } }
    for key, value in pairs(more or {}) do options[key] = value end
    return holdfast.new(options)
  end

  local function tls() return { ca = folder .. "/ca.pem" } end

  -- Messages there and back.
  local function talks(client, ...)
    local subscription = client:subscribe("a", { qos = 1 })
    assert(client:connect(10))
    for _, payload in ipairs { "hello", ... } do
      assert(client:publish("a", payload, { qos = 1, timeout = 10 }))
      assert.is_true(payload == assert(subscription:receive(10)).payload)
    end
    client:close()
  end

  local function failure(client)
    client:start()
    local failed = assert(client:wait("failed", 60))
    local phase = client:history()[1].phase
    client:close()
    return failed.reason.name, failed.reason.code, phase, failed.reason.text
  end

  local function secured(port)
    return { "listener " .. port .. " 127.0.0.1", "certfile " .. folder .. "/server.pem",
      "keyfile " .. folder .. "/server.key" }
  end

  it("is reached by mqtt, mqtts, ws and wss, through each kind", function()
    local port = process.free_port()
    local plain = mosquitto.start { lines = secured(port) }
    local framed = mosquitto.start { websocket = true }
    local http, socks = proxies.http { login = LOGIN }, proxies.socks { login = LOGIN }
    local before = proxies.secure(http, folder)
    local secure = mosquitto.start { websocket = true, lines = { select(2, unpack(secured(0))) } }
    holdfast.run(function()
      for _, proxy in ipairs { "http://user:s%65cret@127.0.0.1:" .. http.port,
        "https://user:s%65cret@localhost:" .. before.port, "socks5://user:s%65cret@localhost:" .. socks.port,
        "socks5h://user:s%65cret@127.0.0.1:" .. socks.port } do
        talks(client_of("mqtt://localhost:" .. plain.port, proxy, proxy:find "^https" and { tls = tls() } or nil))
        talks(client_of("mqtts://localhost:" .. port, proxy, { tls = tls() }), ("large"):rep(200000))
        talks(client_of("ws://localhost:" .. framed.port .. "/mqtt", proxy,
          proxy:find "^https" and { tls = tls() } or nil))
        talks(client_of("wss://localhost:" .. secure.port .. "/mqtt", proxy, { tls = tls() }))
      end
    end)
  end)

  it("is checked by its own name, and so is a proxy with TLS", function()
    local port = process.free_port()
    mosquitto.start { lines = { "listener " .. port .. " 127.0.0.1", "certfile " .. folder .. "/other.pem",
      "keyfile " .. folder .. "/other.key" } }
    local http = proxies.http()
    local before = proxies.secure(http, folder)
    holdfast.run(function()
      local server = "mqtts://localhost:" .. port
      local name, _, phase = failure(client_of(server, "http://127.0.0.1:" .. http.port, { tls = tls() }))
      assert.are.same({ "tls_hostname", "tls" }, { name, phase })
      -- The system's certificates take their time where a sanitizer watches.
      name, _, phase = failure(client_of(server, "https://127.0.0.1:" .. before.port, { connect_timeout = 60 }))
      assert.are.same({ "tls_unknown_ca", "proxy" }, { name, phase })
    end)
  end)

  it("is not reached by a proxy whose certificate is not what tls says of it", function()
    revocation.make(folder)
    local http = proxies.http()
    local before = proxies.secure(http, folder)
    local broker, secure = mosquitto.start(), process.free_port()
    mosquitto.start { lines = secured(secure) }
    local plain = "mqtt://localhost:" .. broker.port
    holdfast.run(function()
      local function meets(server, more)
        local options = tls()
        for name, value in pairs(more) do options[name] = value end
        return client_of(server, "https://localhost:" .. before.port, { tls = options })
      end
      for name, more in pairs {
        tls_revoked = { crl = folder .. "/revoked.crl" },
        tls_ocsp = { ocsp = "require" },
        tls_pin = { pin = ("A"):rep(43) .. "=" },
      } do
        local found, _, phase = failure(meets(plain, more))
        assert.are.same({ name, "proxy" }, { found, phase })
      end
      local key = certificates.pin(folder, "server")
      talks(meets(plain, { crl = folder .. "/none.crl", ocsp = "ask", pin = key }))
      -- whose key is the broker's affair where that has one
      local found, _, phase = failure(meets("mqtts://localhost:" .. secure, { pin = ("A"):rep(43) .. "=" }))
      assert.are.same({ "tls_pin", "tls" }, { found, phase })
    end)
  end)

  it("is not reached by who is not let in, or not there, which is named", function()
    local http, socks = proxies.http { login = LOGIN, ports = { 1 } }, proxies.socks { login = LOGIN }
    local server = "mqtt://127.0.0.1:" .. process.free_port()
    holdfast.run(function()
      for _, case in ipairs {
        { "http://127.0.0.1:" .. http.port, "proxy_407", 407, "HTTP 407 Proxy Authentication Required" },
        { "http://user:wrong@127.0.0.1:" .. http.port, "proxy_401", 401, "HTTP 401 Unauthorized" },
        { "http://user:s%65cret@127.0.0.1:" .. http.port, "proxy_403", 403, "HTTP 403 Access violation" },
        { "socks5://127.0.0.1:" .. socks.port, "socks_authentication", 256, "it wants a user name and password" },
        { "socks5://user:wrong@127.0.0.1:" .. socks.port, "socks_authentication", 256, "it does not accept them" },
        { "socks5://user:s%65cret@127.0.0.1:" .. socks.port, "socks_connection_refused", 5,
          "the server refused the proxy's connection" },
        { "http://127.0.0.1:" .. process.free_port(), "connection_refused", 2, "127.0.0.1: Connection refused" },
      } do
        local name, code, phase, text = failure(client_of(server, case[1]))
        assert.are.same({ case[2], case[3], "proxy", case[4] }, { name, code, phase, text })
      end
    end)
  end)

  it("is not reached where nobody knows the name of the proxy", function()
    assert.are.equal("name_not_found 6 proxy the name of the proxy\n", shim.run("names_probe", [[
      local holdfast = require "holdfast"
      holdfast.run(function()
        local client = holdfast.new { server = "mqtt://127.0.0.1:1", proxy = "socks5h://missing.example",
          transport = "native", connect_timeout = 5 }
        client:start()
        local reason = assert(client:wait("failed", 10)).reason
        print(reason.name .. " " .. reason.code .. " " .. client:history()[1].phase .. " " .. reason.text)
        client:close()
      end)
    ]]))
  end)

  it("is reached through squid, and each of its refusals is named", function()
    local missing = proxies.missing()
    if missing then
      pending(missing)
      return
    end
    local port, nobody, forbidden = process.free_port(), process.free_port(), process.free_port()
    local plain = mosquitto.start { lines = secured(port) }
    local squid = proxies.squid { login = LOGIN, ports = { plain.port, port, nobody } }
    local address = "http://%s127.0.0.1:" .. squid.port
    local ours = address:format "user:s%65cret@"
    holdfast.run(function()
      talks(client_of("mqtt://127.0.0.1:" .. plain.port, ours))
      talks(client_of("mqtts://127.0.0.1:" .. port, ours, { tls = tls() }), ("large"):rep(200000))
      for _, case in ipairs {
        { plain.port, address:format "", "proxy_407", 407 },
        { plain.port, address:format "user:wrong@", "proxy_407", 407 },
        { forbidden, ours, "proxy_403", 403 },
        { nobody, ours, "proxy_5xx", 503 },
      } do
        local name, code, phase = failure(client_of("mqtt://127.0.0.1:" .. case[1], case[2]))
        assert.are.same({ case[3], case[4], "proxy" }, { name, code, phase })
      end
      squid:kill()
      assert.are.equal("connection_refused", (failure(client_of("mqtt://127.0.0.1:" .. plain.port, ours))))
    end)
  end)

  local function comes_back(address, options)
    local broker = mosquitto.start(options)
    local proxy = proxies.http()
    holdfast.run(function()
      local client = client_of(address:format(broker.port), "http://127.0.0.1:" .. proxy.port,
        { client_id = "kitchen", tls = options.websocket and tls() or nil })
      local subscription = client:subscribe("a/#", { qos = 1 })
      local sent, got = 0, {}
      local function send()
        sent = sent + 1
        client:post("a", tostring(sent), { qos = 1 })
      end
      local function all()
        while not got[sent] do
          got[tonumber(assert(subscription:receive(10)).payload)] = true
        end
        for index = 1, sent do assert.is_true(got[index], index) end
      end
      local function fails(name, code)
        local failed
        repeat failed = assert(client:wait("failed", 10)) until failed.reason.name == name
        assert.are.equal(code, failed.reason.code)
        local past = client:history()
        assert.are.equal("proxy", past[#past].phase)
      end
      assert(client:connect(10))
      for _, order in ipairs { { broker }, { proxy }, { broker, proxy }, { proxy, broker } } do
        broker:save()
        for _, one in ipairs(order) do one:kill() end
        assert(client:wait("lost", 5))
        send()
        local last = order[#order]
        if order[1] == broker and not order[2] then
          fails("proxy_5xx", 500)
        else
          fails("connection_refused", 2)
        end
        for _, one in ipairs(order) do
          if one ~= last then one[one == proxy and "launch" or "restart"](one) end
        end
        last[last == proxy and "launch" or "restart"](last)
        all()
      end
      client:close()
    end)
  end

  it("is come back to, whichever of it and the proxy goes, and nothing is lost", function()
    comes_back("mqtt://127.0.0.1:%d", { persistent = true })
  end)

  it("is come back to likewise by wss", function()
    comes_back("wss://localhost:%d/mqtt", { persistent = true, websocket = true, lines = {
      "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key" } })
  end)

  it("is gone to by the proxy that a function gives, which may wait, or directly", function()
    local broker = mosquitto.start {}
    local http, socks = proxies.http { login = LOGIN }, proxies.socks()
    holdfast.run(function()
      local asked = {}
      local answers = { "http://user:wrong@127.0.0.1:" .. http.port, "http://user:s%65cret@127.0.0.1:" .. http.port,
        "socks5h://127.0.0.1:" .. socks.port, false }
      local client = client_of("mqtt://127.0.0.1:" .. broker.port, function(attempt)
        holdfast.sleep(0.01)
        asked[#asked + 1] = attempt
        return answers[#asked]
      end)
      client:start()
      assert.are.equal("proxy_401", assert(client:wait("failed", 10)).reason.name)
      for index = 2, 4 do
        assert(client:wait("ready", 10))
        assert.are.equal(index, #asked)
        if index < 4 then client:reconnect() end
      end
      client:close()
      assert.are.same({ 1, 2 }, { asked[1], asked[2] })

      local words
      local broken = client_of("mqtt://127.0.0.1:" .. broker.port, function() return unpack(words) end)
      for text, answer in pairs { ["the proxy function returned none; false goes to the server directly"] = {},
        ["no proxy today"] = { nil, "no proxy today" },
        ["what the proxy function returned must begin with http://, https://, socks5:// or socks5h://"] = { "s3cret" },
        ["what the proxy function returned must be an address or false"] = { "environment" } } do
        words = answer
        broken:start()
        broken:reconnect()
        local failed = assert(broken:wait("failed", 10))
        assert.are.same({ "credentials_failed", text }, { failed.reason.name, failed.reason.text })
      end
      broken:close()
    end)
  end)

  it("is given up when the proxy never answers, a byte at a time, or in 64 KiB", function()
    local port
    listener, port = assert(sockets.listen(0))
    local before = proxies.secure({ port = port }, folder)
    local http = { "HTTP/1.1 200 x\r\nA: " .. ("x"):rep(65536), "its answer is longer than 16 KiB" }
    local socks = { "\5\0\5\0\0\3\255" .. ("x"):rep(255), "it is not SOCKS5" }
    holdfast.run(function()
      for _, case in ipairs { { "http", port, http }, { "https", before.port, http }, { "socks5", port, socks },
        { "socks5h", port, socks } } do
        for _, how in ipairs { "silent", "slow", "long" } do
          local client = client_of("mqtt://127.0.0.1", ("%s://localhost:%d"):format(case[1], case[2]),
            { connect_timeout = how == "long" and 60 or 0.5, tls = case[1] == "https" and tls() or nil })
          local failed, peer, at = nil, nil, 1
          client:once("failed", function(event)
            failed = { event.reason.name, client:history()[1].phase, event.reason.text }
          end)
          client:start()
          while not failed do
            peer = peer or listener:accept(0)
            if peer and how == "slow" then
              pcall(peer.send, peer, case[3][1]:sub(at, at))
              at = at + 1
            elseif peer and how == "long" then
              pcall(peer.send, peer, case[1]:find "^http" and case[3][1] or ("\0"):rep(65536))
            end
            holdfast.sleep(0.01)
          end
          local name = how == "long" and "proxy_handshake" or "connect_timeout"
          assert.are.same({ name, "proxy", how == "long" and case[3][2] or failed[3] }, failed, how .. case[1])
          client:close()
          repeat -- whoever came meanwhile
            if peer then peer:close() end
            peer = listener:accept(0)
          until not peer
        end
      end
    end)
  end)

  it("that is dead behind a living proxy is found out within detect_within", function()
    local broker = mosquitto.start {}
    local proxy = proxies.http()
    holdfast.run(function()
      local client = client_of("mqtt://127.0.0.1:" .. broker.port, "http://127.0.0.1:" .. proxy.port,
        { detect_within = 2.5 })
      assert(client:connect(10))
      broker:freeze()
      local payload = ("x"):rep(1000000)
      for _ = 1, 30 do client:post("a", payload) end -- until nobody between takes any more
      local lost = assert(client:wait("lost", 20))
      assert.are.equal("connection_lost", lost.reason.name)
      client:close()
      broker:resume()
    end)
  end)
end)
