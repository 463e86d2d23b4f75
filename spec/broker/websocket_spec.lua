-- A broker behind WebSockets: mosquitto's own, nginx in front of it, and a scripted server for what neither says.
local certificates = require "spec.support.certificates"
local front = require "spec.support.front"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local sizes = require "spec.support.sizes"
local sockets = require "socket_probe"
local websocket = require "spec.support.websocket"

describe("a broker behind WebSockets #broker", function()
  local folder, listener, bridging

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    front.finish()
    mosquitto.finish()
    if listener then listener:close() end
    if bridging then
      process.kill(bridging, "KILL")
      process.wait(bridging, 5000)
    end
    listener, bridging = nil, nil
  end)

  local function client_of(server, more)
    local options = { server = server, transport = "native", connect_timeout = 3,
      backoff = { strategy = "constant", min = 0.1, jitter = "none" },
      policy = { slow = { strategy = "constant", min = 0.2, max = 2, jitter = "none" } } }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    return holdfast.new(options)
  end

  local function secure(more)
    local options = { tls = { ca = folder .. "/ca.pem" } }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    return options
  end

  local function lines()
    return { "max_queued_messages 0", "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key" }
  end

  -- A WebSocket server in front of a broker at plain TCP: its port.
  local function bridge(port)
    local own = process.free_port()
    bridging = assert(process.spawn({ os.getenv "LUA", "spec/support/bridge_child.lua", tostring(own), tostring(port) },
      folder .. "/bridge"))
    local deadline = process.now() + 10000
    while not process.listens(own) do
      assert(process.now() < deadline, "the bridge does not listen")
      process.sleep(5)
    end
    return own
  end

  it("takes and gives what is as large as nothing, and many MB, of eight clients at once, over ws and wss", function()
    local broker = mosquitto.start { quiet = true, lines = sizes.lines }
    local port = bridge(broker.port)
    sizes.exchange(function() return client_of(("ws://127.0.0.1:%d/mqtt"):format(port), sizes.room) end)
    local before = front.start { port = port, certificates = folder }
    sizes.exchange(function() return client_of(("wss://127.0.0.1:%d/mqtt"):format(before.port), secure(sizes.room)) end)
  end)

  it("must show a certificate that is trusted, as over mqtts", function()
    local broker = mosquitto.start { websocket = true, lines = lines() }
    holdfast.run(function()
      -- The system's certificates take their time where a sanitizer watches.
      local client = client_of(("wss://127.0.0.1:%d/"):format(broker.port), { connect_timeout = 60 })
      client:start()
      assert.are.equal("tls_unknown_ca", assert(client:wait("failed", 60)).reason.name)
      assert.are.equal("tls", client:history()[1].phase)
      client:close()
    end)
  end)

  it("is named, and come back to, whichever of it and nginx goes", function()
    local broker = mosquitto.start { websocket = true, persistent = true }
    local before = front.start { port = broker.port }
    holdfast.run(function()
      local client = client_of(("ws://127.0.0.1:%d/mqtt"):format(before.port), { client_id = "kitchen" })
      local subscription = client:subscribe("a/#", { qos = 1 })
      assert(client:connect(10))
      broker:save():kill()
      assert(client:wait("lost", 5))
      local failed = assert(client:wait("failed", 5))
      assert.are.same({ "http_5xx", "retry", 502, "http", "HTTP 502 Bad Gateway" }, { failed.reason.name,
        failed.reason.class, failed.reason.code, failed.reason.source, failed.reason.text })
      assert.are.equal("websocket", client:history()[2].phase)
      client:post("a/1", "one", { qos = 1 })
      broker:restart()
      assert.are.equal("one", assert(subscription:receive(10)).payload)
      before:kill()
      assert(client:wait("lost", 5))
      assert.are.equal("connection_refused", assert(client:wait("failed", 5)).reason.name)
      client:post("a/2", "two", { qos = 1 })
      before:launch()
      local message
      repeat
        message = assert(subscription:receive(10)) -- "one" again, where its PUBACK went with nginx
      until message.payload ~= "one"
      assert.are.equal("two", message.payload)
      client:close()
    end)
  end)

  it("is found where a redirect of nginx's leads, if that is allowed", function()
    local broker = mosquitto.start { websocket = true }
    local before = front.start { port = broker.port }
    holdfast.run(function()
      local server = ("ws://127.0.0.1:%d/away"):format(before.port)
      local cautious = client_of(server)
      cautious:start()
      local failed = assert(cautious:wait("failed", 5))
      assert.are.same({ "http_3xx", 302 }, { failed.reason.name, failed.reason.code })
      cautious:close()
      for _, protocol in ipairs { 5, 4 } do
        local client = client_of(server, { redirect = { allow = { "127.0.0.1" } }, protocol = protocol })
        assert(client:connect(10))
        assert.are.equal(("ws://127.0.0.1:%d/mqtt"):format(before.port), client:status().server)
        client:close()
      end
    end)
  end)

  it("that wants to be left alone for a while is", function()
    local before = front.start { port = 1 }
    holdfast.run(function()
      for path, expected in pairs { busy = { "http_429", 2.2 }, forbidden = { "http_403", 0.2 },
        nothing = { "http_404", 0.2 } } do
        local client = client_of(("ws://127.0.0.1:%d/%s"):format(before.port, path))
        client:start()
        local failed = assert(client:wait("failed", 5))
        assert.are.same(expected, { failed.reason.name, failed.retry_in })
        client:close()
      end
    end)
  end)

  -- The next client at the listener; while Lua waits for it others run.
  local function accept()
    local peer
    repeat
      peer = listener:accept(0)
      holdfast.sleep(0.005)
    until peer
    return peer
  end

  local function take_in(peer, fields)
    peer:send(websocket.welcome(fields))
    local connect = websocket.read(peer)
    assert.are.equal(16, connect.payload:byte(1))
    peer:send(websocket.frame { payload = "\32\3\0\0\0" })
  end

  it("is asked with headers that a function gives anew for each attempt, and may wait for", function()
    local port
    listener, port = assert(sockets.listen(0))
    holdfast.run(function()
      local client = client_of(("ws://127.0.0.1:%d/mqtt"):format(port), { headers = function(attempt)
        holdfast.sleep(0.02)
        return { Authorization = "Bearer " .. attempt, ["X-Many"] = { "1", "2" } }
      end })
      client:start()
      for attempt = 1, 2 do
        local peer = accept()
        local _, fields, text = websocket.request(peer)
        assert.are.equal("Bearer " .. attempt, fields.authorization)
        assert.is_truthy(text:find("X-Many: 1\r\nX-Many: 2\r\n", 1, true))
        if attempt == 1 then
          peer:send "HTTP/1.1 401 Unauthorized\r\n\r\n"
          assert.are.equal("http_401", assert(client:wait("failed", 5)).reason.name)
        else
          take_in(peer, fields)
          assert(client:connect(5))
        end
        peer:close()
      end
      client:close()
    end)
  end)

  it("is found by a function that may wait, and the signature in its query stands in no event", function()
    local port
    listener, port = assert(sockets.listen(0))
    holdfast.run(function()
      local where = { 5, "mqtt://127.0.0.1:1", ("ws://127.0.0.1:%d/mqtt?signature=S3CRET"):format(port) }
      local client = client_of(function(attempt)
        holdfast.sleep(0.02)
        return where[attempt]
      end)
      client:start()
      local failed = assert(client:wait("failed", 5))
      assert.are.same({ "credentials_failed", 'what the server function returned must be a string such as '
        .. '"mqtt://localhost", got 5' }, { failed.reason.name, failed.reason.text })
      failed = assert(client:wait("failed", 5))
      assert.are.same({ "connection_refused", "mqtt://127.0.0.1:1" }, { failed.reason.name, failed.server })
      local peer = accept()
      local line, fields = websocket.request(peer)
      assert.are.equal("GET /mqtt?signature=S3CRET HTTP/1.1", line)
      take_in(peer, fields)
      assert(client:connect(5))
      assert.are.equal(("ws://127.0.0.1:%d/mqtt"):format(port), client:status().server)
      assert.are.equal(client:status().server, client:history()[3].server)
      peer:close()
      client:close()
    end)
  end)

  it("is not asked where such a function fails, and credentials may be asked for beside it", function()
    local port
    listener, port = assert(sockets.listen(0))
    holdfast.run(function()
      local answer = nil
      local client = client_of(("ws://127.0.0.1:%d/mqtt"):format(port), {
        headers = function() return answer, "no token" end, credentials = function() return "user", "secret" end })
      client:start()
      local failed = assert(client:wait("failed", 5))
      assert.are.same({ "credentials_failed", "no token" }, { failed.reason.name, failed.reason.text })
      answer = { Host = "other" }
      failed = assert(client:wait("failed", 5))
      assert.are.equal("what the headers function returned must leave Host to the handshake", failed.reason.text)
      answer = { A = "b" }
      local peer = accept()
      local _, fields = websocket.request(peer)
      assert.are.equal("b", fields.a)
      peer:send(websocket.welcome(fields))
      assert.is_truthy(websocket.read(peer).payload:find("\0\4user\0\6secret", 1, true))
      peer:close()
      client:close()
    end)
  end)

  it("that accepts and never answers is given up, and so is one that does so a byte at a time", function()
    local port
    listener, port = assert(sockets.listen(0))
    holdfast.run(function()
      local client = client_of(("ws://127.0.0.1:%d/mqtt"):format(port), { connect_timeout = 0.5 })
      client:start()
      accept()
      assert.are.equal("connect_timeout", assert(client:wait("failed", 5)).reason.name)
      assert.are.equal("websocket", client:history()[1].phase)
      local peer, over = accept(), false
      client:once("failed", function(event) over = event.reason.name end)
      repeat
        peer:send "H"
        holdfast.sleep(0.01)
      until over
      assert.are.equal("connect_timeout", over)
      peer:close()
      client:close()
    end)
  end)

  it("says goodbye with a code, which is the reason", function()
    local port
    listener, port = assert(sockets.listen(0))
    holdfast.run(function()
      local client = client_of(("ws://127.0.0.1:%d/mqtt"):format(port))
      client:start()
      local peer = accept()
      local _, fields = websocket.request(peer)
      take_in(peer, fields)
      assert(client:connect(5))
      peer:send(websocket.frame { opcode = 8, payload = "\3\233maintenance" })
      local lost = assert(client:wait("lost", 5))
      assert.are.same({ "websocket_going_away", 1001, "maintenance", "websocket" }, { lost.reason.name,
        lost.reason.code, lost.reason.text, lost.reason.source })
      peer:close()
      client:close()
    end)
  end)

  it("hears DISCONNECT, then Close, when it is left", function()
    local port
    listener, port = assert(sockets.listen(0))
    holdfast.run(function()
      local client = client_of(("ws://127.0.0.1:%d/mqtt"):format(port))
      client:start()
      local peer = accept()
      local _, fields = websocket.request(peer)
      take_in(peer, fields)
      assert(client:connect(5))
      client:close()
      assert.are.equal(0xE0, websocket.read(peer).payload:byte(1))
      local close = websocket.read(peer)
      assert.are.same({ 8, "\3\232" }, { close.opcode, close.payload })
      peer:close()
    end)
  end)
end)
