-- A TLS failure that the link cannot name is looked into before it is told: once an outage and server, within the
-- budget and the attempt's time.
local virtual = require "spec.support.virtual"
local core, probe = virtual.core, virtual.probe

-- hf_tls_code and hf_network_code
local FAILED, CERTIFICATE, EXPIRED, HANDSHAKE, FILE, HUNG_UP, CONNECT_FAILED = 1, 2, 3, 8, 10, 8, 1

describe("a TLS failure without a name", function()
  local world

  before_each(function() world = virtual.new() end)

  after_each(function()
    core.limit(nil)
    probe.turn()
    world:finish()
  end)

  local function secure(name)
    local server = virtual.server(name)
    server.tls = true
    return server
  end

  local function start(changes)
    changes = changes or {}
    changes.servers = changes.servers or { secure "a" }
    local client = world:client(changes)
    client:start()
    world:pass(0)
    return client
  end

  local function refuse(code, finds, source)
    probe.script { connect = "refuse", source = source or "tls", code = code, finds = finds, text = "as Paho says" }
  end

  -- "name phase" of each attempt that is over.
  local function history(client)
    local lines = {}
    for _, attempt in ipairs(client:history()) do
      if attempt.name then lines[#lines + 1] = attempt.name .. " " .. attempt.phase end
    end
    return lines
  end

  -- Seconds, name, class and text of each `failed`.
  local function failures()
    local lines = {}
    for _, mail in ipairs(world.mails) do
      if mail.kind == "event" and mail[1] == "failed" then
        local reason = mail[2].reason
        lines[#lines + 1] = ("%g %s %s %s"):format(mail.now, reason.name, reason.class, reason.text)
      end
    end
    return lines
  end

  it("is told by the name that was found, with its class, and in the history", function()
    refuse(CERTIFICATE, "tls_expired")
    local client = start()
    assert.same({ "0 tls_expired slow as found" }, failures())
    assert.same({ "tls_expired tls" }, history(client))
    assert.equal(30, client:status().retry_in)
  end)

  it("is looked into once an outage, and again in the next", function()
    refuse(HANDSHAKE, "tls_hostname")
    local client = start { slow = virtual.constant(1000) }
    world:pass(5.5)
    assert.equal(6, #failures())
    assert.equal("5 tls_hostname slow as found", failures()[6])
    assert.equal(1, probe.looked())
    probe.script { connect = "accept" }
    world:pass(1)
    assert.equal("connected", client:status().state)
    refuse(CERTIFICATE, "tls_unknown_ca")
    client:reconnect()
    world:pass(3)
    assert.equal(2, probe.looked())
    assert.is_truthy(failures()[#failures()]:find "tls_unknown_ca")
  end)

  it("does not outlive its cause: what was found is believed for half a minute", function()
    refuse(CERTIFICATE, "tls_expired")
    start { slow = virtual.constant(10000) }
    world:pass(1)
    refuse(CERTIFICATE, "tls_unknown_ca")
    world:pass(39)
    assert.same({ "0 tls_expired slow as found", "10 tls_expired slow as found", "20 tls_expired slow as found",
      "30 tls_unknown_ca slow as found", "40 tls_unknown_ca slow as found" }, failures())
    assert.equal(2, probe.looked())
  end)

  it("is looked into anew when the user says that it is worth a try, and only then", function()
    refuse(CERTIFICATE, "tls_expired")
    local client = start { slow = virtual.constant(1000), max_attempts = 1, sleep_for = 1000 }
    world:pass(3)
    assert.equal(1, probe.looked())
    refuse(CERTIFICATE, "tls_unknown_ca")
    client:wake()
    world:pass(0)
    assert.equal(2, probe.looked())
    assert.is_truthy(failures()[#failures()]:find "tls_unknown_ca")
    client:reconnect()
    world:pass(0)
    assert.equal(3, probe.looked())
  end)

  it("of time is tried again at once when the clock is set, and looked into anew", function()
    for _, name in ipairs { "tls_not_yet_valid", "tls_expired", "tls_crl", "tls_ocsp" } do
      refuse(CERTIFICATE, name)
      local client = start {}
      world:pass(5)
      probe.clock_set()
      world:turn()
      assert.equal(2, client:status().attempt)
      assert.equal(2, probe.looked())
      probe.script { connect = "accept" }
      probe.clock_set()
      world:pass(0)
      assert.equal("connected", client:status().state)
      probe.clock_set() -- which is nothing to a connection
      world:pass(1)
      assert.equal("connected", client:status().state)
      world:forget(client)
      client:close(0)
      world:turn()
      world:finish()
      world = virtual.new()
    end
    refuse(CERTIFICATE, "tls_unknown_ca")
    local client = start {}
    probe.clock_set()
    world:pass(1)
    assert.equal(1, client:status().attempt)
  end)

  it("keeps its own name when what was found does not explain it", function()
    refuse(CERTIFICATE, "tls_expired")
    start { slow = virtual.constant(1000) }
    refuse(HUNG_UP, "tls_expired", "network")
    world:pass(1)
    refuse(HANDSHAKE, "tls_expired")
    world:pass(1)
    assert.same({ "0 tls_expired slow as found", "1 closed_before_connack retry as Paho says",
      "2 tls_handshake retry as Paho says" }, failures())
    assert.equal(1, probe.looked())
  end)

  it("keeps its own name when the server hangs up later than what was found would have it", function()
    refuse(HANDSHAKE, "tls_hostname")
    start { slow = virtual.constant(1000) }
    refuse(HUNG_UP, "tls_hostname", "network")
    world:pass(1)
    refuse(CERTIFICATE, "tls_hostname")
    world:pass(1)
    assert.same({ "0 tls_hostname slow as found", "1 closed_before_connack retry as Paho says",
      "2 tls_certificate slow as Paho says" }, failures())
  end)

  it("keeps its own name when nothing was found", function()
    refuse(FAILED, "nothing")
    start { slow = virtual.constant(1000) }
    world:pass(1.5)
    assert.same({ "0 tls_failed slow as Paho says", "1 tls_failed slow as Paho says" }, failures())
    assert.equal(1, probe.looked())
  end)

  it("is a hung-up connection, too, when it was the client's certificate", function()
    refuse(HUNG_UP, "tls_client_certificate", "network")
    local client = start()
    assert.same({ "0 tls_client_certificate slow as found" }, failures())
    assert.same({ "tls_client_certificate tls" }, history(client))
  end)

  it("is not looked into where the name is known, without TLS, or for what is no failure of TLS", function()
    refuse(EXPIRED, "tls_hostname")
    start()
    refuse(HUNG_UP, "tls_expired", "network")
    start { servers = { virtual.server "a" } }
    refuse(0x87, "tls_expired", "connack")
    start()
    assert.equal(0, probe.looked())
    assert.equal(3, #failures())
  end)

  it("is looked into once for each server", function()
    refuse(CERTIFICATE, "tls_expired")
    local client = start { servers = { secure "a", secure "b", secure "c", secure "d", secure "e" },
      slow = virtual.constant(1000) }
    world:pass(20)
    assert.equal(4, probe.looked()) -- no more than four an outage
    assert.is_true(#failures() > 15)
    client:close(0)
  end)

  it("is held back until there is an answer", function()
    refuse(CERTIFICATE, "hold")
    local client = start()
    world:pass(2)
    assert.same({}, failures())
    assert.equal("connecting", client:status().state)
    probe.diagnose "tls_self_signed"
    world:pass(0)
    assert.same({ "2 tls_self_signed slow as found" }, failures())
  end)

  it("is told as the link named it when the attempt's time is over first", function()
    refuse(CERTIFICATE, "hold")
    local client = start()
    world:pass(10)
    assert.same({ "10 tls_certificate slow as Paho says" }, failures())
    probe.diagnose "tls_expired" -- nobody waits for it any more
    world:pass(0)
    assert.equal(1, #failures())
    assert.equal("waiting", client:status().state)
  end)

  it("is of no interest any more to a client that is closed or goes elsewhere", function()
    refuse(CERTIFICATE, "hold")
    local client = start()
    client:close(0)
    world:pass(0)
    probe.diagnose "tls_expired"
    world:pass(1)
    assert.same({}, failures())
  end)

  it("waits for a free hand", function()
    refuse(CERTIFICATE, "full")
    start()
    world:pass(1)
    assert.same({}, failures())
    refuse(CERTIFICATE, "tls_expired")
    world:pass(0.05)
    assert.equal(1, #failures())
    assert.is_truthy(failures()[1]:find "tls_expired")
  end)

  it("takes a token of the process's budget, and waits for it", function()
    core.limit(0.5, 1)
    refuse(CERTIFICATE, "tls_expired")
    start()
    assert.same({}, failures())
    world:pass(1.9)
    assert.same({}, failures())
    world:pass(0.2)
    assert.equal(1, #failures())
    assert.is_truthy(failures()[1]:find "^2[.%d]* tls_expired slow as found$", failures()[1])
  end)

  it("gives its place in the line back when it is closed", function()
    core.limit(0.1, 1)
    refuse(CERTIFICATE, "tls_expired")
    local client = start { connect_timeout = 60000 }
    world:pass(1)
    client:close(0)
    probe.script { connect = "accept" }
    world:asked()
    start()
    world:pass(9.5) -- ten seconds after the first attempt, not twenty
    assert.equal(1, #world:asked "open")
  end)

  it("does not wait for a token longer than the attempt may last", function()
    core.limit(0.05, 1)
    refuse(CERTIFICATE, "tls_expired")
    start()
    assert.same({ "0 tls_certificate slow as Paho says" }, failures())
    assert.equal(0, probe.looked())
    world:pass(50) -- 20 s for its second attempt, and no token for a look even then
  end)

  it("is told which file it is, each time anew, without asking the server or taking a token", function()
    core.limit(1, 3)
    refuse(FILE, "tls_file")
    local client = start { slow = virtual.constant(1500) }
    assert.same({ "0 tls_file slow as found" }, failures())
    assert.same({ "tls_file none" }, history(client))
    world:pass(1.5)
    refuse(FILE, "nothing") -- the files have been mended in between
    world:pass(1.5)
    local now = "3 connect_failed retry a file of `tls` could not be read, and can be now"
    assert.same({ "0 tls_file slow as found", "1.5 tls_file slow as found", now }, failures())
    assert.same({ 0, 3 }, { probe.looked(), probe.looked_at_files() })
  end)

  it("is a shortage of descriptors where the look at the files finds one, and passes soon", function()
    refuse(FILE, "short")
    local client = start { slow = virtual.constant(60000) }
    assert.same({ "0 out_of_memory retry as found" }, failures())
    assert.same({ "out_of_memory none" }, history(client))
    probe.script { connect = "accept" }
    world:pass(10)
    assert.equal("connected", client:status().state)
  end)

  it("gives no place in a line back that it never had", function()
    core.limit(0.1, 1)
    refuse(FILE, "full")
    local client = start()
    world:pass(1)
    assert.same({}, failures())
    client:close(0)
    probe.script { connect = "accept" }
    world:asked()
    start()
    world:pass(8.5)
    assert.equal(0, #world:asked "open")
    world:pass(1)
    assert.equal(1, #world:asked "open")
  end)

  it("is told as a file where the link took it for a server out of reach", function()
    refuse(CONNECT_FAILED, "tls_file", "network")
    local client = start { slow = virtual.constant(1500), tls = { ca = "ca.pem", verify = true } }
    assert.same({ "0 tls_file slow as found" }, failures())
    assert.same({ "tls_file none" }, history(client))
    refuse(CONNECT_FAILED, "nothing", "network")
    world:pass(1.5)
    start() -- has no files
    assert.same({ "0 tls_file slow as found", "1.5 connect_failed retry as Paho says",
      "1.5 connect_failed retry as Paho says" }, failures())
    assert.same({ 0, 2 }, { probe.looked(), probe.looked_at_files() })
  end)

  it("has its look at the files when the server was looked into before", function()
    refuse(CERTIFICATE, "tls_expired")
    start { slow = virtual.constant(1000) }
    refuse(FILE, "tls_file")
    world:pass(1)
    refuse(CERTIFICATE, "tls_hostname")
    world:pass(1)
    assert.same({ "0 tls_expired slow as found", "1 tls_file slow as found", "2 tls_expired slow as found" },
      failures())
    assert.same({ 1, 1 }, { probe.looked(), probe.looked_at_files() })
  end)

  it("leads to the policy's rule for its true name", function()
    refuse(HANDSHAKE, "tls_hostname")
    local rules = {}
    for index, row in ipairs(core.reason.all()) do
      rules[index - 1] = row.name == "tls_hostname" and { class = "stop", later = "stop", after = 0 } or false
    end
    local client = start { rules = rules }
    assert.equal("sleeping", client:status().state)
  end)
end)
