-- Networks that let no UDP through, one way or the other, as iptables has it: by name, and on to the next server.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"

describe("where no UDP comes through #broker", function()
  local missing = quic_server.missing()
  if missing then
    pending(missing)
    return
  end

  local folder, unavailable

  local function command(words)
    local pipe = assert(io.popen("(" .. words .. ") 2>&1 && echo fine"))
    local said = pipe:read "*a"
    pipe:close()
    return said:find "fine\n$" and true, words .. ": " .. said
  end

  setup(function()
    folder = certificates.make()
    local fine, why = process.own_network() -- of this process and what it starts; before any client is made
    if fine then fine, why = command "ip link set lo up && iptables -L" end
    unavailable = not fine and "no network of its own to be had: " .. why
  end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    quic_server.finish()
    mosquitto.finish()
  end)

  for what, which in pairs { ["to the server"] = "--dport", ["from it"] = "--sport" } do
    it("it is quic_blocked within connect_timeout, and the next server is tried: nothing goes " .. what, function()
      if unavailable then
        pending(unavailable)
        return
      end
      local broker = mosquitto.start { quiet = true }
      local server = quic_server.start { upstream = broker.port, folder = folder }
      assert(command(("iptables -A INPUT -p udp %s %d -j DROP"):format(which, server.port)))
      finally(function() assert(command "iptables -F") end)
      holdfast.run(function()
        local client = holdfast.new { transport = "native", connect_timeout = 1, tls = { ca = folder .. "/ca.pem" },
          servers = { "quic://localhost:" .. server.port, "mqtt://localhost:" .. broker.port } }
        client:start()
        local event = assert(client:wait("failed", 30))
        assert.are.same({ "quic_blocked", "quic" }, { event.reason.name, client:history()[1].phase })
        assert(client:ready(30))
        assert.are.equal("mqtt://localhost:" .. broker.port, client:status().server)
        client:close()
      end)
    end)
  end

  it("TCP beside it is taken in the same attempt, and nothing has failed", function()
    if unavailable then
      pending(unavailable)
      return
    end
    local port = process.free_port()
    local broker = mosquitto.start { quiet = true, lines = { "listener " .. port .. " 127.0.0.1",
      "cafile " .. folder .. "/ca.pem", "certfile " .. folder .. "/server.pem",
      "keyfile " .. folder .. "/server.key" } }
    local server = quic_server.start { upstream = broker.port, folder = folder }
    assert(command(("iptables -A INPUT -p udp --dport %d -j DROP"):format(server.port)))
    finally(function() assert(command "iptables -F") end)
    holdfast.run(function()
      local client = holdfast.new { transport = "native", connect_timeout = 20, tls = { ca = folder .. "/ca.pem" },
        servers = { "quic://localhost:" .. server.port, "mqtts://localhost:" .. port } }
      client:on("failed", function() error "nothing has failed" end)
      assert(client:connect(30))
      assert.are.same({ server = "quic://localhost:" .. server.port, phase = "quic" }, client:history()[1].beside)
      assert.are.same({ "mqtts://localhost:" .. port, 1 }, { client:status().server, client:status().attempt })
      client:close()
    end)
  end)
end)
