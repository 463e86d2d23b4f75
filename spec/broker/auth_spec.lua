-- Enhanced authentication (MQTT 5 section 4.12): a scripted broker plays the server.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local now = require("holdfast.core").now
local process = require "process_probe"
local scram = require "scram_probe"
local scripted = require "spec.support.scripted_broker"

local METHOD, DATA, SUCCESS, CONTINUE, AGAIN = 21, 22, 0x00, 0x18, 0x19
local SLOW = { strategy = "constant", min = 0.05, max = 0.05, jitter = "none" }

describe("enhanced authentication #broker", function()
  local broker, client, peer

  before_each(function()
    broker = scripted.listen()
  end)

  after_each(function()
    holdfast.log(nil)
    if peer then peer:close() end
    if client then client:close() end
    broker:close()
    peer, client = nil, nil
  end)

  local function client_of(auth, more)
    local options = { server = "mqtt://127.0.0.1:" .. broker.port, transport = "native", auth = auth, backoff = SLOW,
      policy = { slow = SLOW } }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    client = holdfast.new(options)
    return client
  end

  local function words(method, data)
    return scripted.text(METHOD, method) .. (data and scripted.text(DATA, data) or "")
  end

  -- What an AUTH or a CONNECT of the client's says by this method.
  local function said(packet, method)
    local properties = packet.properties
    local at = assert(properties:find(words(method, ""):sub(1, -3), 1, true), properties) + 3 + #method
    return properties:sub(at + 3, at + 2 + properties:byte(at + 1) * 256 + properties:byte(at + 2))
  end

  local function ask(method, data, code)
    peer:auth(code or CONTINUE, words(method, data))
  end

  -- What comes while the functions of this program have their turns.
  local function await(take)
    local deadline = now() + 5
    local found, why
    repeat
      holdfast.sleep(0.002)
      found, why = take()
    until found or why == "closed" or now() > deadline
    return assert(found, why or "nothing has come")
  end

  local function expect(kind)
    local packet = await(function() return peer:packet(0) end)
    assert.are.equal(kind, packet.type)
    return packet
  end

  -- The next attempt's first word.
  local function begins(method)
    if peer then peer:close() end
    peer = await(function() return broker:accept_now() end)
    return said(expect "connect", method)
  end

  local function heard(method, code)
    local packet = expect "auth"
    assert.are.equal(code or CONTINUE, packet.code)
    return said(packet, method)
  end

  it("asks functions that may wait, and what they expect must be the broker's last word", function()
    holdfast.run(function()
      client_of { method = "K", start = function(attempt)
        holdfast.sleep(0.01)
        return "first\0" .. attempt
      end, continue = function(data)
        holdfast.sleep(0.01)
        return data .. "!", data == "two" and "last" or nil
      end }
      local seen = diary.of(client)
      client:start()
      for attempt, last in ipairs { "other", "last" } do
        assert.are.equal("first\0" .. attempt, begins "K")
        ask("K", "one")
        assert.are.equal("one!", heard "K")
        ask("K", "two")
        assert.are.equal("two!", heard "K")
        peer:connack { properties = { words("K", last) } }
        if last == "other" then
          assert.are.equal(0x83, expect("disconnect").code)
          assert.are.equal("auth_server", seen:await("failed").event.reason.name)
        end
      end
      assert(client:connect(5))
    end)
  end)

  it("goes on where the broker does not wait for an answer", function()
    holdfast.run(function()
      local answers = 0
      client_of { method = "K", start = function() return "" end, continue = function(data)
        if data == "one" then
          client:wait "connected"
        end
        answers = answers + 1
        return data
      end }
      client:start()
      begins "K"
      ask("K", "one")
      peer:connack { properties = { words "K" } }
      await(function() return answers == 1 end)
      local task = holdfast.spawn(client.reauthenticate, client, 5)
      heard("K", AGAIN)
      ask("K", "two")
      assert.are.equal("two", heard "K")
      ask("K", nil, SUCCESS)
      assert.is_true((task:join(5)))
    end)
  end)

  it("ends where functions fail, and where the broker breaks the rules", function()
    holdfast.run(function()
      local answers = { { nil, "no ticket" }, { 5 }, { "x", 5 } }
      local turn = 0
      client_of { method = "K", start = function() return "" end, continue = function()
        turn = turn + 1
        local answer = answers[turn] or { "x" }
        return answer[1], answer[2]
      end }
      local seen = diary.of(client)
      client:start()
      local reasons = { "no ticket", "what auth.continue returned must be a string", "what auth.continue returned" }
      for attempt, words_of_it in ipairs(reasons) do
        assert.are.equal("", begins "K")
        ask("K", "one")
        local reason = seen:await("failed", attempt).event.reason
        assert.are.equal("credentials_failed", reason.name)
        assert.is_truthy(reason.text:find(words_of_it, 1, true), reason.text)
      end
      for attempt, breach in ipairs {
        function() ask("L", "one") end,
        function() ask("K", "one", SUCCESS) end,
        function() ask("K", "one") heard "K" ask("K", "two") ask("K", "three") end,
      } do
        begins "K"
        breach()
        local reason = seen:await("failed", #reasons + attempt).event.reason
        assert.are.equal("protocol_error", reason.name)
      end
    end)
  end)

  -- What a server with this password says second, and must hear and say then.
  local function scram_words(first, password, iterations)
    local nonce = first:match "^n,,n=us=2Cer,r=(.+)$"
    local second = "r=" .. nonce .. "server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=" .. (iterations or 4096)
    local answer, expected = scram.prove("SCRAM-SHA-256", "us,er", password, nonce, second)
    return second, answer, expected
  end

  local function scram_client(more)
    return client_of({ method = "SCRAM-SHA-256", username = "us,er", password = "S3CRET" }, more)
  end

  local function prove(code)
    local first = code and heard("SCRAM-SHA-256", code) or begins "SCRAM-SHA-256"
    local second, answer, expected = scram_words(first, "S3CRET")
    ask("SCRAM-SHA-256", second)
    assert.are.equal(answer, heard "SCRAM-SHA-256")
    return expected
  end

  it("is ready made for SCRAM, and a server that does not know the password is left; nothing shows it", function()
    local lines = {}
    holdfast.log(function(level, line, fields)
      lines[#lines + 1] = level .. line
      for name, value in pairs(fields) do
        lines[#lines + 1] = tostring(name) .. tostring(value)
      end
    end, { trace = "protocol" })
    holdfast.run(function()
      scram_client()
      local seen = diary.of(client)
      client:start()
      local nonces = {}
      local function ends(first, more, other)
        local second, _, expected = scram_words(first, "S3CRET")
        ask("SCRAM-SHA-256", second)
        heard "SCRAM-SHA-256"
        peer:connack { properties = { words("SCRAM-SHA-256", other or expected .. more) } }
      end
      for attempt, breach in ipairs {
        function(first) -- another password
          local second, answer, expected = scram_words(first, "other")
          ask("SCRAM-SHA-256", second)
          assert.are_not.equal(answer, heard "SCRAM-SHA-256")
          peer:connack { properties = { words("SCRAM-SHA-256", expected) } }
        end,
        function() peer:connack() end, -- no proof at all
        function(first) -- none at the end
          ask("SCRAM-SHA-256", (scram_words(first, "S3CRET")))
          heard "SCRAM-SHA-256"
          peer:connack { properties = { words "SCRAM-SHA-256" } }
        end,
        function(first) ask("SCRAM-SHA-256", (scram_words(first, "S3CRET", 1000001))) end,
        function(first) ends(first, "x") end, -- which is no extension
        function(first) ends(first, nil, "e=invalid-proof") end,
      } do
        local first = begins "SCRAM-SHA-256"
        assert.is_nil(nonces[first])
        nonces[first] = true
        breach(first)
        local reason = seen:await("failed", attempt).event.reason
        assert.are.equal("auth_server", reason.name)
        assert.are.equal(attempt == 6, reason.text:find("invalid-proof", 1, true) ~= nil, reason.text)
      end
      local expected = prove()
      peer:connack { properties = { words("SCRAM-SHA-256", expected) } }
      assert(client:connect(5))
      client:close()
      for _, entry in ipairs(seen.entries or {}) do
        lines[#lines + 1] = tostring(entry.event)
      end
    end)
    assert.is_true(#lines > 20)
    assert.is_nil(table.concat(lines, "\n"):find("S3CRET", 1, true))
  end)

  -- So many threads wait for a pipe that others take for a file of certificates; there is none for what the broker says
  -- before it has an end.
  it("ends with the client, though nobody has looked yet at what its broker has said", function()
    local others, pipe = {}, os.tmpname()
    assert(os.remove(pipe))
    assert(os.execute("mkfifo " .. pipe))
    local held = assert(io.open(pipe, "r+"))
    local function has_ends(count) -- not by io.popen, which waits for whoever reads
      local status = os.execute(("test $(ls -l /proc/%d/fd | grep -c %s) = %d"):format(process.self(), pipe, count))
      return status == true or status == 0
    end
    holdfast.run(function()
      for n = 1, 16 do
        others[n] = holdfast.new { server = "mqtts://127.0.0.1:1", transport = "native",
          tls = { ca = pipe, alpn = { "a" .. n } } }
        others[n]:start()
      end
      await(function() return has_ends(1 + #others) end)
      scram_client { backoff = { strategy = "constant", min = 60, max = 60, jitter = "none" } }
      local seen = diary.of(client)
      client:start()
      begins "SCRAM-SHA-256"
      ask("SCRAM-SHA-256", "no word of SCRAM")
      peer:close()
      peer = nil
      assert.are.equal("closed_before_connack", seen:await("failed").event.reason.name)
      client:close()
      held:close()
      await(function() return has_ends(0) end)
      client = scram_client()
      seen = diary.of(client)
      client:start()
      begins "SCRAM-SHA-256"
      ask("SCRAM-SHA-256", "no word of SCRAM")
      assert.are.equal("auth_server", seen:await("failed").event.reason.name)
    end)
    for _, other in ipairs(others) do
      other:close()
    end
    assert(os.remove(pipe))
  end)

  it("is done once more while connected, and its end is that of the connection where it fails", function()
    holdfast.run(function()
      scram_client()
      local seen = diary.of(client)
      assert.are.same({ nil, "not_connected" }, { (client:reauthenticate(5)), select(3, client:reauthenticate(5)) })
      client:start()
      local expected = prove()
      peer:connack { properties = { words("SCRAM-SHA-256", expected) } }
      assert(client:connect(5))

      local task = holdfast.spawn(client.reauthenticate, client, 5)
      expected = prove(AGAIN)
      assert.are.equal("busy", select(3, client:reauthenticate(5)))
      ask("SCRAM-SHA-256", expected, SUCCESS)
      assert.is_true((task:join(5)))

      task = holdfast.spawn(client.reauthenticate, client, 5)
      prove(AGAIN)
      ask("SCRAM-SHA-256", "v=" .. ("A"):rep(43) .. "=", SUCCESS)
      assert.are.equal(0x83, expect("disconnect").code)
      assert.are.equal("lost", select(3, task:join(5)))
      assert.are.equal("auth_server", seen:await("lost").event.reason.name)
    end)
  end)

  it("once more ends in its caller's time whoever thinks, and one whose caller has ended is in nobody's way", function()
    holdfast.run(function()
      local asked, held, inner = 0, true, nil
      client_of { method = "K", start = function(attempt)
        if attempt then
          inner = select(3, client:reauthenticate(5))
          return "first"
        end
        asked = asked + 1
        while held do holdfast.sleep(0.002) end
        return "again" .. asked
      end }
      client:start()
      begins "K"
      assert.are.equal("credentials", inner)
      peer:connack()
      assert(client:connect(5))
      assert.are.equal("timeout", select(3, client:reauthenticate(0.05)))
      holdfast.spawn(client.reauthenticate, client):cancel()
      local task = holdfast.spawn(client.reauthenticate, client)
      await(function() return asked == 2 end)
      task:cancel()
      task = holdfast.spawn(client.reauthenticate, client, 5)
      await(function() return asked == 3 end)
      held = false
      assert.are.equal("again3", heard("K", AGAIN))
      task:cancel()
      held = true
      task = holdfast.spawn(client.reauthenticate, client, 5)
      await(function() return asked == 4 end)
      ask("K", nil, SUCCESS) -- which is for the one before
      peer:publish { topic = "a", payload = "" }
      assert(client:wait("message", 5))
      held = false
      assert.are.equal("again4", heard("K", AGAIN))
      ask("K", nil, SUCCESS)
      assert.is_true((task:join(5)))
    end)
  end)

  it("once more is not disturbed by a call that comes before its end", function()
    holdfast.run(function()
      scram_client()
      client:start()
      local proof = prove()
      peer:connack { properties = { words("SCRAM-SHA-256", proof) } }
      assert(client:connect(5))
      assert.are.equal("timeout", select(3, client:reauthenticate(0.05)))
      local first = heard("SCRAM-SHA-256", AGAIN)
      assert.are.equal("not_connected", select(3, client:reauthenticate(5)))
      local second, answer = scram_words(first, "S3CRET")
      ask("SCRAM-SHA-256", second)
      assert.are.equal(answer, heard "SCRAM-SHA-256")
    end)
  end)

  local function up()
    local proof = prove()
    peer:connack { session_present = true, properties = { words("SCRAM-SHA-256", proof) } }
  end

  -- All of it while Lua has no time to hear of the loss.
  it("once more is not answered by the end of the connection before", function()
    holdfast.run(function()
      scram_client { clean_start = false, client_id = "k" }
      client:start()
      up()
      assert(client:connect(5))
      local lost = 0
      client:on("lost", function() lost = lost + 1 end)
      peer:close()
      peer = broker:accept()
      local second, _, expected = scram_words(said(peer:expect "connect", "SCRAM-SHA-256"), "S3CRET")
      ask("SCRAM-SHA-256", second)
      peer:expect "auth"
      peer:connack { session_present = true, properties = { words("SCRAM-SHA-256", expected) } }
      local deadline = now() + 5
      repeat
        process.sleep(1)
        local connects = client:status().counters.connects
        assert(now() < deadline, connects)
      until connects == 2
      assert.are.equal(0, lost)
      local task = holdfast.spawn(client.reauthenticate, client, 5)
      expected = prove(AGAIN)
      assert.are.equal(1, lost)
      ask("SCRAM-SHA-256", expected, SUCCESS)
      assert.are.same({ true }, { task:join(5) })
    end)
  end)

  it("once more ends with a connection that is renewed, of which nobody hears", function()
    holdfast.run(function()
      client_of({ method = "K", start = function() return "" end },
        { client_id = "k", session_expiry = 60, inbox = { bytes = 3000 } })
      local seen = diary.of(client)
      local readings = client:subscribe("a", { qos = 1 })
      client:start()
      begins "K"
      peer:connack()
      peer:suback(expect("subscribe").id, 1)
      assert(client:wait("ready", 5))
      local task = holdfast.spawn(client.reauthenticate, client, 60)
      assert.are.equal("", heard("K", AGAIN))
      -- More comes than is read, until some of it is let go; what is read then makes room, and the client leaves.
      local id, over = 0
      repeat
        for _ = 1, 5 do
          id = id + 1
          pcall(peer.publish, peer, { topic = "a", payload = ("x"):rep(1000), qos = 1, id = id })
        end
        readings:receive(0.01)
        local packet, why = peer:packet(0)
        if packet and packet.type == "pingreq" then
          pcall(peer.send, peer, "pingresp", "")
        end
        over = packet and packet.type == "disconnect" or not packet and why ~= "timeout"
        assert(id < 60000)
      until over
      begins "K"
      peer:connack { session_present = true }
      assert.are.equal("not_connected", select(3, task:join(20)))
      assert.are.equal(0, seen:count "lost")
      task = holdfast.spawn(client.reauthenticate, client, 20)
      assert.are.equal("", heard("K", AGAIN))
      ask("K", nil, SUCCESS)
      assert.is_true((task:join(20)))
    end)
  end)

  it("once more is refused where nobody has asked for it, and its time may end", function()
    holdfast.run(function()
      client_of { method = "K", start = function(attempt) return attempt and "first" or "again" end }
      client:start()
      begins "K"
      peer:connack()
      assert(client:connect(5))
      assert.are.equal("timeout", select(3, client:reauthenticate(0.05)))
      assert.are.equal("again", heard("K", AGAIN))
      assert.are.equal("not_connected", select(3, client:reauthenticate(5))) -- the broker has the word
      ask("K", nil, SUCCESS)
      peer:auth(SUCCESS, words "K")
      assert.are.equal("protocol_error", assert(client:wait("lost", 5)).reason.name)
    end)
    local plain = holdfast.new { server = "mqtt://127.0.0.1:1" }
    assert.has_error(function() plain:reauthenticate() end, "reauthenticate: the client has no option auth")
    plain:close()
  end)
end)
