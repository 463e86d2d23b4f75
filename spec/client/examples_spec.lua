-- The small examples, run as their first lines say: #broker. (hello.lua has a spec of its own.)
local certificates = require "spec.support.certificates"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local quic_server = require "spec.support.quic_server"
local scram = require "scram_probe"
local scripted = require "spec.support.scripted_broker"
local tree = require "spec.support.tree"
local transport = require "spec.support.transport"

describe("the example #broker", function()
  local address

  setup(function()
    address = "mqtt://127.0.0.1:" .. mosquitto.start().port
  end)

  teardown(mosquitto.finish)

  local function run(command)
    local lines, fine = tree.command((command:gsub("LUA", os.getenv "LUA"):gsub("ADDRESS", address)))
    assert.is_true(fine, table.concat(lines, "\n"))
    return lines
  end

  it("publish.lua publishes the lines it reads", function()
    assert.same({ "ready at " .. address, "2 lines on a/b" },
      run "printf 'one\\ntwo\\n' | LUA examples/publish.lua ADDRESS a/b")
  end)

  it("request_response.lua asks and is answered", function()
    local lines = run "LUA examples/request_response.lua ADDRESS"
    table.sort(lines)
    assert.same({ "1 + 2 = 3", "20 + 22 = 42", "3 + 4 + 5 = 12" }, lines)
  end)

  it("alarm.lua has the alarm go first", function()
    assert.same({ "house/smoke\tkitchen", "house/temperature\t20", "house/temperature\t21", "house/temperature\t22" },
      run "LUA examples/alarm.lua ADDRESS")
  end)

  it("handled.lua books what can be booked, and gives up the rest", function()
    local lines = run "LUA examples/handled.lua ADDRESS 2>/dev/null"
    assert.same({ "booked: a horse", "failed: there is none", "failed: there is none", "failed: there is none",
      "given up after 3 attempts: a unicorn", "booked: a cart" }, lines)
  end)

  it("policy.lua asks for a token and is there, or backs off as it says", function()
    local there = run "LUA examples/policy.lua ADDRESS"
    assert.same({ "token for attempt 1", "ready after", "got as far as up" },
      { there[1], there[2]:match "^ready after", there[3]:match "got as far as up$" })
    local lines = run "LUA examples/policy.lua mqtt://127.0.0.1:1 4"
    assert.is_truthy(lines[2]:find "^failed: " .. transport.refused() .. " %(retry%), again in [12]%.%d s$", lines[2])
    assert.are.equal("token for attempt 2", lines[3])
  end)

  it("tls.lua connects with one trusted certificate, and says what is wrong otherwise", function()
    local folder = certificates.make()
    finally(function() process.remove_folder(folder) end)
    local port = process.free_port()
    mosquitto.start { lines = { "listener " .. port .. " 127.0.0.1", "cafile " .. folder .. "/ca.pem",
      "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key", "require_certificate true" } }
    local secure = ("mqtts://localhost:%d %s/"):format(port, folder)
    local mine = (" %s/client.pem %s/client.key"):format(folder, folder)
    assert.same({ "ready at mqtts://localhost:" .. port },
      run("KEY_PASSWORD=secret LUA examples/tls.lua " .. secure .. "ca.pem" .. mine .. " 2>/dev/null"))
    local lines, fine = tree.command(os.getenv "LUA" .. " examples/tls.lua " .. secure .. "old.pem 2>&1")
    assert.is_false(fine)
    local said = "\n" .. table.concat(lines, "\n")
    local first = ("\nwarning attempt 1 at mqtts://localhost:%d failed: tls_unknown_ca ("):format(port)
    assert.is_truthy(said:find(first, 1, true), said)
    assert.is_truthy(said:find("\ntls_unknown_ca: asleep after tls_unknown_ca: ", 1, true), said)
  end)

  it("quic.lua goes by QUIC, and by TCP where nobody answers", function()
    local missing = quic_server.missing()
    if missing then
      pending(missing)
      return
    end
    local folder = certificates.make()
    local server = quic_server.start { upstream = address:match "%d+$", folder = folder }
    finally(function()
      quic_server.finish()
      process.remove_folder(folder)
    end)
    local here = "quic://localhost:" .. server.port
    local command = ("LUA examples/quic.lua %s ADDRESS %s/ca.pem 0"):format(here, folder)
    assert.same({ "1 by " .. here, "2 by " .. here, "3 by " .. here }, run(command))
    server:kill()
    assert.same({ "failed: quic_refused at " .. here, "1 by " .. address, "2 by " .. address, "3 by " .. address },
      run(command))
  end)

  describe("auth.lua", function()
    local broker, folder, pid, peer

    before_each(function()
      broker, folder = scripted.listen(), process.temporary_folder()
    end)

    after_each(function()
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
      peer:close()
      broker:close()
      process.remove_folder(folder)
    end)

    local function begin(...)
      local words = { "env", "MQTT_USERNAME=kitchen", "MQTT_PASSWORD=secret", os.getenv "LUA", "examples/auth.lua",
        "mqtt://127.0.0.1:" .. broker.port, ... }
      if ... then
        table.remove(words, 2)
        table.remove(words, 2)
      end
      pid = assert(process.spawn(words, folder .. "/output"))
      peer = broker:accept(20000)
      return peer:expect("connect", 20000).properties
    end

    local function words(method, data)
      return scripted.text(21, method) .. scripted.text(22, data)
    end

    local function ends_with(lines)
      assert.same({ "exited", 0 }, { process.wait(pid, 20000) })
      assert.equal(lines, tree.read(folder .. "/output"))
    end

    it("knows the password, and shows it to nobody", function()
      local first = begin():match "n,,n=kitchen,r=.*"
      local nonce = first:match "r=([%w+/]+)"
      local second = "r=" .. nonce .. "server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
      local answer, last = scram.prove("SCRAM-SHA-256", "kitchen", "secret", nonce, second)
      peer:auth(0x18, words("SCRAM-SHA-256", second))
      assert.is_truthy(peer:expect("auth", 20000).properties:find(answer, 1, true))
      peer:connack { properties = { words("SCRAM-SHA-256", last) } }
      peer:expect("disconnect", 20000)
      ends_with "ready, by SCRAM-SHA-256\n"
    end)

    it("shows a new token before the last one ends", function()
      local first = begin "0.1"
      assert.is_truthy(first:find(words("token", "token 1"), 1, true))
      peer:connack()
      for n = 2, 3 do
        local again = peer:expect("auth", 20000)
        assert.same({ 0x19, words("token", "token " .. n) }, { again.code, again.properties })
        peer:auth(0x00, words("token", ""))
      end
      peer:expect("disconnect", 20000)
      ends_with("token 1 for attempt 1\nready, by token\n" .. ("token 2 for the connection that stands\n"
        .. "the broker is content\ntoken 3 for the connection that stands\nthe broker is content\n"))
    end)

    it("says so when the connection breaks under its new token, and goes on to its end", function()
      begin "0.1"
      peer:connack()
      peer:expect("auth", 20000)
      peer:close()
      ends_with("token 1 for attempt 1\nready, by token\ntoken 2 for the connection that stands\n"
        .. "lost: the connection was lost: the connection to the server broke\n"
        .. "token 3 for the connection that stands\n"
        .. "not_connected: there is no connection, or the last exchange is not over\n")
    end)
  end)

  describe("in trouble", function()
    local folder, pid

    before_each(function()
      folder = process.temporary_folder()
    end)

    after_each(function()
      if pid then
        process.kill(pid, "KILL")
        process.wait(pid, 5000)
      end
      process.remove_folder(folder)
    end)

    -- Its clients have a shorter patience, and its input has no end: lines that are `arg[3]` times as long.
    local PRELUDE = [[
      io.stdout:setvbuf "line"
      local holdfast = require "holdfast"
      local new, line = holdfast.new, ("a line"):rep(tonumber(arg[3]) or 1)
      function holdfast.new(options)
        options.backoff = options.backoff or { strategy = "constant", min = 0.05, jitter = "none" }
        return new(options)
      end
      function io.lines() return function() return line end end
    ]]

    local function start(name, where, ...)
      local source = tree.read("examples/" .. name .. ".lua"):gsub("mqtt://localhost", where)
      local file = assert(io.open(folder .. "/example.lua", "w"))
      file:write(PRELUDE, source)
      file:close()
      pid = process.spawn({ os.getenv "LUA", folder .. "/example.lua", where, ... }, folder .. "/output")
    end

    local function begin(name, port, ...)
      start(name, "mqtt://127.0.0.1:" .. port, ...)
    end

    local function expect(pattern)
      local deadline = process.now() + 15000
      local output
      repeat
        process.sleep(20)
        output = tree.read(folder .. "/output")
      until output:find(pattern) or process.now() > deadline
      assert.truthy(output:find(pattern), "wanted " .. pattern .. " in:\n" .. output)
      for _, wrong in ipairs { "bad argument", "attempt to" } do
        assert.is_nil(output:find(wrong, 1, true), output)
      end
    end

    local function expect_log(broker, text, from)
      local deadline = process.now() + 15000
      while not broker:log():find(text, from or 1, true) do
        assert(process.now() < deadline, "no " .. text .. " in:\n" .. broker:log() .. tree.read(folder .. "/output"))
        process.sleep(5)
      end
    end

    local function expect_end()
      local how, status = process.wait(pid, 20000)
      pid = how == nil and pid or nil
      assert.same({ "exited", 0 }, { how, status }, tree.read(folder .. "/output"))
    end

    -- One that lets a client in, or not, and dies; a real one follows.
    local function dies(broker, answer)
      local client = broker:accept(10000)
      client:expect "connect"
      if answer then
        client:connack()
      end
      client:close()
      broker:close()
    end

    local hosts = { copas = "copas", cqueues = "cqueues", luv = "luv" }
    for _, name in ipairs { "hello", "publish", "policy", "request_response", "alarm", "handled", "copas", "cqueues",
      "luv" } do
      if not hosts[name] or pcall(require, hosts[name]) then
        it(name .. ".lua says so when the client gives up", function()
          local broker = scripted.listen()
          finally(function() broker:close() end)
          begin(name, broker.port)
          local client = broker:accept(10000)
          client:expect "connect"
          client:connack { code = 0x8A }
          expect "banned"
        end)
      end
    end

    for _, name in ipairs { "hello", "publish", "copas", "cqueues", "luv" } do
      if not hosts[name] or pcall(require, hosts[name]) then
        it(name .. ".lua says so when the client gives up a connection that stood", function()
          local broker = scripted.listen()
          finally(function() broker:close() end)
          begin(name, broker.port)
          local client = broker:accept(10000)
          client:expect "connect"
          client:connack()
          client:disconnect(0x8C)
          expect "lost: bad_authentication_method, asleep until woken"
        end)
      end
    end

    -- Their programs last for less than a second: the broker dies as soon as they are there.
    for _, name in ipairs { "alarm", "handled" } do
      it(name .. ".lua does what it says through the death of its broker", function()
        local broker = scripted.listen()
        begin(name, broker.port)
        dies(broker, true)
        mosquitto.start { port = broker.port }
        expect(name == "alarm" and "house/smoke\tkitchen" or "booked: a cart")
        expect_end()
      end)
    end

    it("policy.lua is there when a broker is that was not", function()
      local broker = scripted.listen()
      begin("policy", broker.port)
      dies(broker)
      mosquitto.start { port = broker.port }
      expect "\nfailed: [%a_]+ %(retry%), again in [%d.]+ s\n.*\nready after"
      expect_end()
    end)

    it("tls.lua is there when a broker is that was not", function()
      local certified = certificates.make()
      finally(function() process.remove_folder(certified) end)
      local port = process.free_port()
      start("tls", "mqtts://localhost:" .. port, certified .. "/ca.pem")
      expect "warning attempt 1 [^\n]*, again in"
      mosquitto.start { port = port, lines = { "cafile " .. certified .. "/ca.pem",
        "certfile " .. certified .. "/server.pem", "keyfile " .. certified .. "/server.key" } }
      expect "\nready at mqtts://localhost"
      expect_end()
    end)

    it("quic.lua has each message delivered through the death of the broker behind QUIC", function()
      local missing = quic_server.missing()
      if missing then
        pending(missing)
        return
      end
      local certified, broker = certificates.make(), scripted.listen()
      finally(function()
        quic_server.finish()
        process.remove_folder(certified)
      end)
      local server = quic_server.start { upstream = broker.port, folder = certified }
      start("quic", "quic://localhost:" .. server.port, address, certified .. "/ca.pem", "0")
      local client = broker:accept(20000)
      client:expect "connect"
      client:connack()
      client:expect "publish"
      client:close()
      broker:close()
      mosquitto.start { port = broker.port }
      expect "^lost: connection_lost\n.*1 by [^\n]*\n2 by [^\n]*\n3 by "
      expect_end()
    end)

    it("request_response.lua asks again what its broker took along", function()
      local broker = scripted.listen()
      begin("request_response", broker.port)
      local adder = broker:accept(10000)
      adder:expect "connect"
      adder:connack()
      adder:suback(adder:expect("subscribe").id, 0)
      local asker = broker:accept(10000)
      asker:expect "connect"
      asker:connack()
      asker:suback(asker:expect("subscribe").id, 0)
      for _ = 1, 3 do
        asker:expect "publish"
      end
      broker:close()
      local back = mosquitto.start { port = broker.port }
      adder:close()
      expect_log(back, "Sending SUBACK") -- or nobody would hear the questions
      asker:close()
      expect_end()
      local answers = {}
      for line in tree.read(folder .. "/output"):gmatch "[^\n]+" do
        answers[#answers + 1] = line
      end
      table.sort(answers)
      assert.same({ "1 + 2 = 3", "20 + 22 = 42", "3 + 4 + 5 = 12" }, answers)
    end)

    it("publish.lua has a large line delivered through the death of its broker", function()
      local broker = scripted.listen()
      begin("publish", broker.port, "lines", "500000")
      local client = broker:accept(10000)
      client:expect "connect"
      client:connack()
      assert.equal(3000000, #client:expect("publish").payload)
      client:close()
      broker:close()
      local back = mosquitto.start { port = broker.port }
      expect_log(back, "'lines', ... (3000000 bytes))")
      expect "\nlost: "
    end)

    -- Ctrl-C is a hook of the main program, but on LuaJIT of all coroutines, and what catches errors there catches it.
    local FOR_EVER = "1000000" -- readings
    local words = { copas = FOR_EVER, cqueues = FOR_EVER, luv = FOR_EVER }
    local stopped = jit and { "signaled", 15 } or { "exited", 1 }
    for _, name in ipairs { "hello", "publish", "copas", "cqueues", "luv" } do
      if not hosts[name] or pcall(require, hosts[name]) then
        it(name .. ".lua says so when the broker dies, goes on, and ends when it is told to", function()
          local broker = mosquitto.start()
          begin(name, broker.port, words[name])
          expect_log(broker, "Sending PUBACK")
          broker:kill()
          expect "lost: connection_%a+, again in [%d.]+ s"
          local before = #broker:log()
          broker:restart()
          expect_log(broker, name == "hello" and "Sending SUBACK" or "Sending PUBACK", before)
          process.kill(pid, jit and "TERM" or "INT")
          local how, status = process.wait(pid, 20000)
          pid = how == nil and pid or nil
          assert.same(name == "luv" and not jit and { "exited", 255 } or stopped, { how, status },
            tree.read(folder .. "/output"))
          expect(jit and "lost" or "interrupted!")
        end)
      end
    end
  end)

  it("each has at most 60 lines", function()
    for _, name in ipairs { "auth", "hello", "policy", "publish", "quic", "request_response", "tls" } do
      local _, lines = tree.read("examples/" .. name .. ".lua"):gsub("\n", "")
      assert.is_true(lines <= 60, name)
    end
  end)
end)
