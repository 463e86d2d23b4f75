-- Every way in which TLS can go wrong, against real servers: only the good certificate connects, each refusal has its
-- own name and class from the first attempt on, and naming it costs one connection an outage.
local certificates = require "spec.support.certificates"
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local roads = require "spec.support.roads"
local sockets = require "socket_probe"
local transport = require "spec.support.transport"

describe("TLS #broker", function()
  local folder, server, server_folder

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)

  after_each(function()
    mosquitto.finish()
    if server then
      process.kill(server, "KILL")
      process.wait(server, 5000)
      process.remove_folder(server_folder)
      server = nil
    end
  end)

  local function file(name) return folder .. "/" .. name end

  local function broker_lines(port, certificate, more)
    local lines = { "listener " .. port .. " " .. (more.host or "127.0.0.1") }
    if certificate then
      lines[2] = "cafile " .. file "ca.pem"
      lines[3] = "certfile " .. file(certificate .. ".pem")
      lines[4] = "keyfile " .. file(certificate .. ".key")
    end
    for _, line in ipairs(more) do lines[#lines + 1] = line end
    return lines
  end

  -- The last of its listeners is open when it says that it runs.
  local function running(broker)
    local deadline = process.now() + 5000
    while not broker:log():find "mosquitto version [%d.]+ running" do
      assert(process.now() < deadline, "mosquitto does not run")
      process.sleep(2)
    end
    return broker
  end

  local function broker_with(certificate, more)
    local port = process.free_port()
    return port, running(mosquitto.start { lines = broker_lines(port, certificate, more or {}) })
  end

  -- What mosquitto cannot be: openssl's own server, which speaks no MQTT.
  local function server_with(certificate, ...)
    local port = process.free_port()
    server_folder = assert(process.temporary_folder())
    local command = { "openssl", "s_server", "-accept", "127.0.0.1:" .. port, "-cert", file(certificate .. ".pem"),
      "-key", file(certificate .. ".key"), "-CAfile", file "ca.pem", "-quiet", ... }
    server = assert(process.spawn(command, server_folder .. "/log"))
    local deadline = process.now() + 5000
    while not process.listens(port) do
      assert(process.now() < deadline, "openssl s_server does not listen")
      process.sleep(5)
    end
    return port
  end

  local function new(port, tls, host)
    local options = { server = ("mqtts://%s:%d"):format(host or "127.0.0.1", port), tls = { ca = file "ca.pem" },
      policy = { slow = { min = 0.05, max = 0.1 } }, backoff = { min = 0.05, max = 0.1 } }
    for key, value in pairs(tls or {}) do options.tls[key] = value end
    if tls and tls.ca == false then options.tls.ca = nil end
    local client = holdfast.new(options)
    return client, diary.of(client)
  end

  local function connects(port, tls, host)
    holdfast.run(function()
      local client, seen = new(port, tls, host)
      local fine, problem = client:connect(10)
      assert.is_true(fine, tostring(problem) .. ": " .. seen:words())
      seen:await "ready" -- it is told when whoever waits has been told
      assert.equal("connecting connected ready", seen:words())
      client:close(1)
    end)
  end

  -- Three failures, all by that name -> how often it has tried.
  local function fails(port, tls, name, class, phase, text)
    return holdfast.run(function()
      local client, seen = new(port, tls)
      client:start()
      seen:await("failed", 3)
      for attempt = 1, 3 do
        local reason = seen:all("failed")[attempt].event.reason
        assert.same({ name, attempt == 3 and class == "retry" and "slow" or class, "tls" },
          { reason.name, reason.class, reason.source }, reason.text)
        assert.is_truthy(reason.text:find(text or "", 1, true), reason.text)
      end
      local first = client:history()[1]
      assert.same({ name, phase or "tls" }, { first.name, first.phase })
      assert.equal(0, client:status().counters.connects)
      client:close()
      return client:status().counters.attempts
    end)
  end

  -- The broker writes a connection down only when it has sent its certificate. There should be `least`, and more show
  -- a moment later.
  local function connections(broker, port, least)
    local function count()
      return (select(2, broker:log():gsub("New connection from %S+ on port " .. port, "")))
    end
    local deadline = process.now() + 10000
    while count() < (least or 0) and process.now() < deadline do process.sleep(10) end
    process.sleep(100)
    return count()
  end

  it("connects with the good certificate, by name, IPv4 and IPv6 address, with file, folder and client's certificate",
    function()
      local port = broker_with "server"
      connects(port)
      connects(port, nil, "localhost")
      connects(port, { ca = file "cas" })
      connects(port, { alpn = { "mqtt" } })
      connects(broker_with("server", { host = "::1" }), nil, "[::1]")
      local mine = { cert = file "client.pem", key = file "client.key", key_password = "secret" }
      port = broker_with("server", { "require_certificate true" })
      connects(port, mine)
      mine.key_password = function() return "secret" end
      connects(port, mine)
    end)

  it("is spoken with mqtts and ssl, and not with mqtt and tcp, over IPv4 and IPv6", function()
    for _, host in ipairs { "127.0.0.1", "::1" } do
      local address = host == "::1" and "[::1]" or host
      local plain = process.free_port()
      local secure = broker_with("server", { host = host, "listener " .. plain .. " " .. host })
      for scheme, port in pairs { mqtt = plain, tcp = plain, mqtts = secure, ssl = secure } do
        local client = holdfast.new { server = ("%s://%s:%d"):format(scheme, address, port),
          tls = port == secure and { ca = file "ca.pem" } or nil }
        assert.is_true(client:connect(10))
        client:close(1)
      end
    end
  end)

  for certificate, what in pairs {
    expired = { "tls_expired", "certificate has expired: /CN=expired" },
    future = { "tls_not_yet_valid", "certificate is not yet valid: /CN=future" },
    other = { "tls_hostname", "the certificate is not for 127.0.0.1: /CN=other" },
    stranger = { "tls_unknown_ca", "/CN=stranger" },
    absent = { "tls_unknown_ca", "/CN=absent" },
    lonely = { "tls_self_signed", "/CN=lonely" },
  } do
    it(("refuses the certificate %s as %s, with one look an outage"):format(certificate, what[1]), function()
      local port, broker = broker_with(certificate)
      local tried = fails(port, nil, what[1], "slow", "tls", what[2])
      local looked = connections(broker, port, transport.either { paho = 4, native = 0 })
      assert.is_true(transport.either { paho = looked <= tried + 1, native = looked <= tried },
        looked .. " for " .. tried)
      connects(port, { verify = false })
    end)
  end

  it("refuses a key that is too weak for security level 2", function()
    fails(broker_with("weak", { "ciphers DEFAULT@SECLEVEL=0" }), nil, "tls_certificate", "slow", "tls", "key too weak")
  end)

  it("does not know an authority any more that has left the file", function()
    local port = broker_with "absent"
    local both = io.open(file "both.pem", "w")
    for _, name in ipairs { "ca.pem", "old.pem" } do
      local part = assert(io.open(file(name)))
      both:write(part:read "*a")
      part:close()
    end
    both:close()
    connects(port, { ca = file "both.pem" })
    fails(port, { ca = file "ca.pem" }, "tls_unknown_ca", "slow")
  end)

  it("does not take a certificate of its own authority for the system's", function()
    if roads.name() == "https_proxy" then
      pending "the system trusts the authority of the proxy, which is the same"
      return
    end
    fails(broker_with "server", { ca = false }, "tls_unknown_ca", "slow")
  end)

  for certificate, words in pairs {
    none = "certificate required", intruder = "unknown ca", late = "certificate expired",
  } do
    it("tells that the client's certificate is not accepted: " .. certificate, function()
      if (roads.name() or ""):find "^socks" then
        pending "microsocks keeps a server's last words to itself when it cannot pass on the client's"
        return
      end
      local mine = certificate ~= "none" and
        { cert = file(certificate .. ".pem"), key = file(certificate .. ".key") } or nil
      fails(broker_with("server", { "require_certificate true" }), mine, "tls_client_certificate", "slow", "tls", words)
    end)
  end

  it("tells that a TLS 1.2 server misses the client's certificate", function()
    fails(server_with("server", "-tls1_2", "-Verify", "1", "-verify_return_error"), nil, "tls_client_certificate",
      "slow")
  end)

  it("tells that there is only an old version of TLS, even when certificates are not verified", function()
    local port = server_with("server", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    fails(port, nil, "tls_version", "slow")
    fails(port, { verify = false }, "tls_version", "slow")
  end)

  -- OpenSSL complains of the suite first, so that Paho's connection shows no version: a second look does.
  it("tells so of a server that answers in TLS 1.0 with a cipher suite that it was not offered", function()
    local listener, port = sockets.listen()
    holdfast.run(function()
      local client, seen = new(port)
      client:start()
      local deadline = process.now() + 10000
      while seen:count "failed" < 3 and process.now() < deadline do
        local connection = listener:accept(20)
        if connection then
          connection:receive(4000, 300)
          -- ServerHello: random, no session id, TLS_RSA_WITH_AES_128_CBC_SHA, no compression
          connection:send("\22\3\1\0\42\2\0\0\38\3\1" .. ("r"):rep(32) .. "\0\0\47\0")
          connection:receive(100, 300)
          connection:close()
        end
        holdfast.sleep(0.01)
      end
      local names = {}
      for number, entry in ipairs(seen:all "failed") do names[number] = entry.event.reason.name end
      assert.same({ "tls_version", "tls_version", "tls_version" }, names)
      client:close()
    end)
  end)

  it("tells that nobody speaks TLS there, or hangs up", function()
    local _, broker = broker_with()
    fails(broker.port, nil, "tls_handshake", "retry")
  end)

  local nowhere = roads.name() == "https_proxy" and "proxy" or "none" -- that one has a name, which is looked up before

  it("tells which file cannot be used and why, without asking the server", function()
    local port, broker = broker_with "server"
    local function says(tls, option, path, words)
      fails(port, tls, "tls_file", "slow", nowhere, ("%s %s: %s"):format(option, file(path), words))
    end
    local pem, key = file "client.pem", file "client.key"
    says({ ca = file "nothing.pem" }, "tls.ca", "nothing.pem", "No such file or directory")
    says({ ca = file "ca.key" }, "tls.ca", "ca.key", "no certificate can be read from it")
    says({ cert = file "nothing.pem", key = key }, "tls.cert", "nothing.pem", "No such file or directory")
    says({ cert = key, key = key }, "tls.cert", "client.key", "no certificate can be read from it")
    says({ cert = pem, key = file "nothing.key" }, "tls.key", "nothing.key", "No such file or directory")
    says({ cert = pem, key = pem }, "tls.key", "client.pem", "no private key can be read from it")
    says({ cert = pem }, "tls.key (the same as tls.cert)", "client.pem", "no private key can be read from it")
    says({ cert = pem, key = file "late.key" }, "tls.key", "late.key", "not the key of the certificate in tls.cert")
    -- of another kind: OpenSSL takes both, and shows no certificate
    says({ cert = pem, key = file "rsa.key" }, "tls.key", "rsa.key", "not the key of the certificate in tls.cert")
    says({ cert = file "disorder.pem", key = file "rsa.key" }, "tls.key", "rsa.key",
      "not the key of the certificate in tls.cert")
    says({ cert = pem, key = key }, "tls.key", "client.key", "it wants a tls.key_password")
    says({ cert = pem, key = key, key_password = "wrong" }, "tls.key", "client.key",
      "tls.key_password is not its pass phrase")
    assert.is_true(connections(broker, port) <= 30) -- three attempts each, and no look
  end)

  it("shows the end of a long path, and nothing in it that could upset a terminal", function()
    local long = "/" .. ("a"):rep(150) .. "/b\27\nc.pem"
    fails(broker_with "server", { ca = long }, "tls_file", "slow", nowhere,
      "tls.ca ..." .. long:sub(-120):gsub("%c", " ") .. ": No such file or directory")
  end)

  it("connects as soon as the file that was missing is there", function()
    local port = broker_with "server"
    local late = file "provisioned.pem"
    holdfast.run(function()
      local client, seen = new(port, { ca = late })
      client:start()
      seen:await("failed", 2)
      local from, to = assert(io.open(file "ca.pem")), assert(io.open(late, "w"))
      to:write(from:read "*a")
      to:close()
      from:close()
      assert.is_true(client:connect(10))
      client:close(1)
    end)
  end)

  -- A terminal would be asked on the thread that every client needs.
  it("asks nobody for a pass phrase that it was not given", function()
    local port = broker_with "server"
    local child_folder = assert(process.temporary_folder())
    local script = ([[
      local holdfast = require "holdfast"
      local client = holdfast.new { server = "mqtts://127.0.0.1:%d", tls = { ca = %q, cert = %q, key = %q } }
      local reason = client:start():wait("failed", 10).reason
      print(reason.name, reason.text)
      client:close()
    ]]):format(port, file "ca.pem", file "client.pem", file "client.key")
    local child = assert(process.spawn({ "setsid", "--wait", os.getenv "LUA" or "lua5.4", "-e", script },
      child_folder .. "/said"))
    local how = process.wait(child, 20000)
    if not how then
      process.kill(child, "KILL")
      process.wait(child, 5000)
    end
    local said = assert(io.open(child_folder .. "/said")):read "*a"
    process.remove_folder(child_folder)
    assert.same({ "exited", ("tls_file\ttls.key %s: it wants a tls.key_password\n"):format(file "client.key") },
      { how, said })
  end)

  it("says that a port is closed, and does not look again", function()
    holdfast.run(function()
      local weak = { cert = file "weak.pem", key = file "weak.key" } -- nothing is wrong with them as files
      local client, seen = new(process.free_port(), weak)
      client:start()
      local reason = seen:await("failed").event.reason
      local wanted = transport.either { paho = "connect_failed retry", native = "tls_file slow" } -- no such for it
      assert.equal(wanted, reason.name .. " " .. reason.class)
      client:close()
    end)
  end)

  it("stops at the first wrong certificate where the policy says so, and is well once there is a better", function()
    local port, broker = broker_with "other"
    holdfast.run(function()
      local client = holdfast.new { server = "mqtts://127.0.0.1:" .. port, tls = { ca = file "ca.pem" },
        policy = { tls_hostname = "stop" } }
      local _, words, code, reason = client:connect(10)
      assert.same({ "sleeping", "tls_hostname" }, { code, reason.name })
      assert.is_truthy(words:find("tls_hostname", 1, true))
      assert.equal(1, client:status().counters.attempts)
      broker:restart(broker_lines(port, "server", {}))
      client:wake()
      assert.is_true(client:connect(10))
      client:close(1)
    end)
  end)

  -- Nobody can set a clock here that others read, but how a timer is set shows in /proc: 03 is TFD_TIMER_ABSTIME |
  -- TFD_TIMER_CANCEL_ON_SET (timerfd_create(2)), and 0 is CLOCK_REALTIME.
  local function has_a_timer_that_a_set_clock_ends()
    local list = io.popen "cat /proc/$PPID/fdinfo/* 2>/dev/null"
    local timers = list:read "*a"
    list:close()
    return timers:find "clockid: 0\nticks: 0\nsettime flags: 03\n" ~= nil
  end

  it("names a new outage anew, and has the system tell of a clock that is set meanwhile", function()
    local port, broker = broker_with "expired"
    holdfast.run(function()
      local client, seen = new(port)
      client:start()
      assert.equal("tls_expired", seen:await("failed").event.reason.name)
      local until_then = process.now() + 10000
      while not has_a_timer_that_a_set_clock_ends() do
        assert(process.now() < until_then, "there is no such timer")
        holdfast.sleep(0.02)
      end
      broker:restart(broker_lines(port, "server", {}))
      seen:await "ready"
      local before = seen:count "failed"
      broker:restart(broker_lines(port, "other", {}))
      local deadline = process.now() + 10000
      repeat
        before = before + 1
        local name = seen:await("failed", before).event.reason.name
        assert(process.now() < deadline)
      until not transport.absent(name) and name ~= "closed_before_connack"
      assert.equal("tls_hostname", seen:all("failed")[before].event.reason.name)
      client:close()
    end)
  end)

  it("does not keep a process from ending, in the middle of a look or of a handshake", function()
    local port = broker_with "expired"
    local path = file "child.lua"
    local child = assert(io.open(path, "w"))
    child:write(([[
      local holdfast = require "holdfast"
      local client = holdfast.new { server = "mqtts://127.0.0.1:%d", tls = { ca = "%s" } }
      holdfast.log(function(_, message)
        if message:find(arg[1], 1, true) then os.exit(0, true) end
      end)
      holdfast.run(function()
        client:start()
        holdfast.sleep(5)
      end)
      os.exit(1)
    ]]):format(port, file "ca.pem"))
    child:close()
    for index = 1, 10 do
      local when = index % 2 == 0 and transport.name() == "paho" and "looking into" or "connecting to"
      local pid = assert(process.spawn({ "env", "TSAN_OPTIONS=report_thread_leaks=0", arg[-1], path, when },
        path .. ".log"))
      local how, status = process.wait(pid, 10000)
      local log = assert(io.open(path .. ".log"))
      assert.same({ "exited", 0 }, { how, status }, log:read "*a")
      log:close()
    end
  end)

  -- Its exit handler frees what a thread in the middle of a handshake uses, which ended processes by SIGSEGV.
  it("keeps OpenSSL from ending before its threads do", function()
    local said = file "exit.log"
    local pid = assert(process.spawn({ arg[-1], "-e", [[
      require "exit_probe".watch()
      require "holdfast".new { server = "mqtts://127.0.0.1:1" }
    ]] }, said))
    assert.same({ "exited", 0 }, { process.wait(pid, 10000) })
    local log = assert(io.open(said))
    assert.equal("OpenSSL lives\nthe keeper is gone\n", log:read "*a")
    log:close()
  end)

  describe("with a shared key", function()
    local KEY = "0123456789abcdef0123456789abcdef"

    local function shared(identity, key) return { ca = false, psk_identity = identity, psk_key = key } end

    local function broker_with_keys()
      local keys = assert(io.open(file "keys", "w"))
      keys:write("kitchen:", KEY, "\n")
      keys:close()
      return broker_with(nil, { "psk_hint holdfast", "psk_file " .. file "keys" })
    end

    it("connects where the key is known, and survives an outage", function()
      if roads.framed() then
        pending "mosquitto takes no shared keys where it speaks WebSocket"
        return
      end
      local port, broker = broker_with_keys()
      holdfast.run(function()
        local client, seen = new(port, shared("kitchen", KEY:upper()))
        assert.is_true(client:connect(10))
        broker:restart()
        seen:await("ready", 2)
        client:close(1)
      end)
    end)

    it("connects in TLS 1.2, too", function()
      local port = server_with("server", "-tls1_2", "-nocert", "-rev", "-psk_identity", "kitchen", "-psk", KEY)
      holdfast.run(function()
        local client, seen = new(port, shared("kitchen", KEY))
        client:start() -- there is nobody to answer the CONNECT
        holdfast.sleep(1)
        assert.equal("connecting", seen:words())
        client:close()
      end)
    end)

    it("fails with another key or identity", function()
      local port = broker_with_keys()
      fails(port, shared("kitchen", "00112233"), "tls_handshake", "retry")
      fails(port, shared("cellar", KEY), "tls_handshake", "retry")
    end)

    it("is not taken in by a server that shows a certificate instead, were it a good one", function()
      fails(broker_with "server", shared("kitchen", KEY), "tls_handshake", "retry")
    end)
  end)
end)
