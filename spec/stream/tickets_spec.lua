-- Contexts of TLS: who shares them, and whose sessions are taken up again by whom.
local certificates = require "spec.support.certificates"
local loops = require "loop_probe"
local process = require "process_probe"
local probe = require "stream_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"

local folder, world

local function options(fields)
  local all = { ca = folder .. "/ca.pem" }
  for key, value in pairs(fields or {}) do
    if value == false and key ~= "verify" then value = nil end
    all[key] = value
  end
  return all
end

local function copy(from, to)
  local file = assert(io.open(folder .. "/" .. from, "rb"))
  local bytes = file:read "*a"
  file:close()
  file = assert(io.open(folder .. "/" .. to, "wb"))
  file:write(bytes)
  file:close()
end

local function client(name)
  return { cert = ("%s/%s.pem"):format(folder, name), key = ("%s/%s.key"):format(folder, name),
    key_password = "secret" }
end

setup(function() folder = certificates.make() end)
teardown(function() process.remove_folder(folder) end)
before_each(function() world = streams.new() end)
after_each(function()
  world:finish()
  tls_server.finish()
  collectgarbage()
end)

describe("a context", function()
  it("is one for all whose options are the same", function()
    local one = probe.context(options { alpn = { "one" } })
    assert.is_true(one == probe.context(options { alpn = { "one" } }))
    assert.is_true(one == probe.find(options { alpn = { "one" } }))
  end)

  it("is another one as soon as one of them differs", function()
    copy("ca.pem", "same.pem")
    local key = { psk_identity = "a", psk_key = "0123456789abcdef", ca = false }
    local all = { {}, { ca = false }, { ca = folder .. "/same.pem" }, { ca = folder .. "/cas" }, { verify = false },
      { alpn = { "mqtt" } }, { alpn = { "mqtt", "x" } }, { alpn = { "mqttx" } }, client "client", client "late", key,
      { psk_identity = "b", psk_key = key.psk_key }, { psk_identity = "a", psk_key = "0123456789abcdeX" } }
    local contexts = {}
    for i, fields in ipairs(all) do
      assert.is_nil(probe.find(options(fields)))
      local problem, text
      contexts[i], problem, text = probe.context(options(fields))
      assert.is_truthy(contexts[i], (problem or "") .. (text or ""))
      for j = 1, i - 1 do
        assert.is_false(contexts[i] == contexts[j], i .. " and " .. j)
      end
    end
    for i, fields in ipairs(all) do
      assert.is_true(contexts[i] == probe.find(options(fields)))
    end
  end)

  it("is made anew when one of its files has changed, and found no more until then", function()
    local own = client "client"
    for _, file in ipairs { "ca.pem", "client.pem", "client.key" } do
      copy(file, "our-" .. file)
    end
    local ours = { ca = folder .. "/our-ca.pem", cert = folder .. "/our-client.pem", key = folder .. "/our-client.key",
      key_password = own.key_password }
    for _, file in ipairs { "ca.pem", "client.pem", "client.key" } do
      local before = assert(probe.context(ours))
      assert.is_true(before == probe.context(ours))
      os.remove(folder .. "/our-" .. file)
      copy(file, "our-" .. file)
      local after = assert(probe.context(ours))
      assert.is_false(before == after, file)
      assert.is_true(after == probe.find(ours))
    end
    local before = assert(probe.find(ours))
    process.sleep(1100) -- a second is what a look at files is good for
    assert.is_true(before == probe.find(ours))
    os.remove(folder .. "/our-ca.pem")
    copy("ca.pem", "our-ca.pem")
    assert.is_true(before == probe.find(ours))
    process.sleep(1100)
    assert.is_nil(probe.find(ours))
  end)

  it("is kept for a while though nobody holds it, but not with all others before it", function()
    local mine = options { alpn = { "mine" } }
    assert(probe.context(mine)):drop()
    assert.is_truthy(probe.find(mine))
    collectgarbage()
    for i = 1, 20 do
      assert(probe.context(options { alpn = { "theirs" .. i } })):drop()
    end
    assert.is_nil(probe.find(mine))
    assert.is_truthy(probe.find(options { alpn = { "theirs20" } }))
  end)

  it("with a secret in it is not kept when nobody holds it", function()
    for _, fields in ipairs { client "client", { ca = false, psk_identity = "a", psk_key = "kept from all" } } do
      local mine = options(fields)
      local one, other = assert(probe.context(mine)), assert(probe.context(mine))
      one:drop()
      assert.is_truthy(probe.find(mine) == other)
      collectgarbage()
      other:drop()
      assert.is_nil(probe.find(mine))
    end
  end)

  it("says which file is at fault, and what is wrong with it", function()
    local file = assert(io.open(folder .. "/empty.pem", "w"))
    file:close()
    local nothing, other = folder .. "/nothing.pem", folder .. "/other.key"
    local cert, key = folder .. "/client.pem", folder .. "/client.key"
    local wanted = {
      { { ca = nothing }, "tls.ca " .. nothing .. ": No such file or directory" },
      { { ca = folder .. "/empty.pem" }, "tls.ca " .. folder .. "/empty.pem: no certificate can be read from it" },
      { { ca = key }, "tls.ca " .. key .. ": no certificate can be read from it" },
      { { cert = nothing }, "tls.cert " .. nothing .. ": No such file or directory" },
      { { cert = cert }, "tls.key (the same as tls.cert) " .. cert .. ": no private key can be read from it" },
      { { cert = cert, key = nothing }, "tls.key " .. nothing .. ": No such file or directory" },
      { { cert = cert, key = key }, "tls.key " .. key .. ": it wants a tls.key_password" },
      { { cert = cert, key = key, key_password = "guess" },
        "tls.key " .. key .. ": tls.key_password is not its pass phrase" },
      { { cert = cert, key = other }, "tls.key " .. other .. ": not the key of the certificate in tls.cert" },
    }
    for _, case in ipairs(wanted) do
      local context, reason, text = probe.context(options(case[1]))
      assert.are.same({ "tls_file", nil }, { reason, context })
      assert.are.equal(case[2], text:sub(1, #case[2]))
    end
  end)
end)

for _, version in ipairs { "-tls1_2", "-tls1_3" } do
  describe("sessions " .. version, function()
    local server

    local function start(...)
      server = tls_server.start { folder = folder, certificate = "server", version, ... }
    end

    -- Opens, says a line, hears it turned round, and leaves; "lost": without a word.
    local function visit(fields, host, how)
      local context = fields.context or assert(probe.context(options(fields)))
      local one = world:opened { host = host or "localhost", port = server.port, tls = context }
      assert.are.equal("open", one.stream:state(), (select(2, one.stream:ending())))
      world:write(one, "hello\n")
      assert.is_truthy(world:wait(function() return streams.text(one) == "olleh\n" end))
      if how == "lost" then return one.stream:abort() end
      local gone = false
      one.stream:finish(2000, function() gone = true end)
      assert.is_truthy(world:wait(function() return gone end))
    end

    it("are taken up again, after a lost connection as well", function()
      start()
      visit {}
      visit({}, nil, "lost")
      visit({}, nil, "lost")
      visit {}
      assert.are.equal(3, server:resumed(world, 4))
    end)

    it("serve many who come back at once", function()
      start()
      visit {}
      local context = assert(probe.context(options()))
      local all = {}
      for i = 1, 10 do
        all[i] = world:open { host = "localhost", port = server.port, tls = context }
      end
      for i = 1, 10 do -- the server takes one after another
        assert.is_truthy(world:wait(function() return all[i].stream:state() == "open" end))
        all[i].stream:abort()
      end
      assert.are.equal(10, server:resumed(world, 11))
    end)

    it("serve many who come one after another and hear of no new ones", function()
      start()
      visit {}
      local context = assert(probe.context(options()))
      for _ = 1, 6 do
        local one = world:opened { host = "localhost", port = server.port, tls = context, idle = true }
        assert.are.equal("open", one.stream:state())
        one.stream:abort()
      end
      assert.are.equal(6, server:resumed(world, 7))
    end)

    it("are another one's by every part of who they belong to", function()
      copy("ca.pem", "same.pem")
      copy("client.pem", "twin.pem")
      copy("client.key", "twin.key")
      start("-verify", "1", "-CAfile", folder .. "/ca.pem", "-alpn", "mqtt")
      local held = {} -- so that none is made anew
      local function first(fields, host)
        held[#held + 1] = assert(probe.context(options(fields)))
        visit({ context = held[#held] }, host)
      end
      first { verify = false }
      first {}
      first({}, "127.0.0.1")
      first { ca = folder .. "/same.pem" }
      first { alpn = { "mqtt" } }
      first(client "client")
      first(client "twin")
      first(client "late")
      assert.are.equal(0, server:resumed(world, 8))
      assert.are.equal("- - - - - client client late", server:seen())
      for _, fields in ipairs { { verify = false }, {}, client "client", client "late" } do
        visit(fields)
      end
      assert.are.equal(4, server:resumed(world, 12))
      assert.are.equal("- - - - - client client late - - client late", server:seen())
    end)

    it("of who did not check are no way round a check", function()
      start()
      local function refused(fields, host, reason)
        local one = world:open { host = host, port = server.port, tls = assert(probe.context(options(fields))) }
        assert.are.equal(reason, (world:ending(one)))
        one.stream:abort()
      end
      visit {}
      refused({}, "127.0.0.2", "tls_hostname")
      visit({ verify = false }, "other.example")
      refused({}, "other.example", "tls_hostname")
      visit({ verify = false, ca = folder .. "/strange.pem" })
      refused({ ca = folder .. "/strange.pem" }, "localhost", "tls_unknown_ca")
      visit({ verify = false, ca = false })
      refused({ ca = false }, "localhost", "tls_unknown_ca")
    end)

    it("end with the file of an authority that has changed", function()
      start()
      copy("ca.pem", "own.pem")
      local own = { ca = folder .. "/own.pem" }
      visit(own)
      visit(own)
      assert.are.equal(1, server:resumed(world, 2))
      os.remove(folder .. "/own.pem")
      copy("strange.pem", "own.pem")
      local one = world:open { host = "localhost", port = server.port, tls = assert(probe.context(options(own))) }
      assert.are.equal("tls_unknown_ca", (world:ending(one)))
      os.remove(folder .. "/own.pem")
      copy("ca.pem", "own.pem")
      visit(own)
      assert.are.equal(1, server:resumed(world, 3))
    end)
  end)
end

describe("a ticket", function()
  -- The types of a ClientHello's extensions (RFC 8446 section 4.1.2).
  local function extensions(hello)
    local function number(from, size)
      local value = 0
      for i = from, from + size - 1 do value = value * 256 + hello:byte(i) end
      return value
    end
    local at = 5 + 4 + 2 + 32 + 1
    at = at + 1 + number(at, 1)
    at = at + 2 + number(at, 2)
    at = at + 1 + number(at, 1)
    local last, found = at + 2 + number(at, 2), {}
    at = at + 2
    while at < last do
      found[number(at, 2)] = true
      at = at + 4 + number(at + 2, 2)
    end
    return found
  end

  it("is offered once more to nobody with whom TLS has failed", function()
    local server = tls_server.start { folder = folder, certificate = "server", "-tls1_3" }
    local context = assert(probe.context(options()))
    local one = world:opened { host = "localhost", port = server.port, tls = context }
    world:write(one, "hello\n")
    assert.is_truthy(world:wait(function() return streams.text(one) == "olleh\n" end))
    one.stream:abort()
    server:stop()
    local listener = assert(sockets.listen(server.port))
    local function offers()
      local again = world:open { host = "localhost", port = server.port, tls = context }
      local peer, hello
      world:wait(function()
        peer = peer or listener:accept(0)
        hello = hello or peer and peer:some(4096, 0)
        return hello
      end)
      peer:close()
      assert.are.equal("tls_handshake", (world:ending(again)))
      return extensions(hello)[41] or false -- pre_shared_key
    end
    assert.is_true(offers())
    assert.is_false(offers())
    listener:close()
  end)
end)

describe("a thousand times open and closed", function()
  local ROUNDS = 1000

  local function flat(once)
    for _ = 1, 50 do once() end
    collectgarbage()
    collectgarbage()
    local descriptors, memory = loops.descriptors(), process.heap()
    for _ = 1, ROUNDS do once() end
    collectgarbage()
    collectgarbage()
    assert.are.equal(descriptors, (loops.descriptors()))
    assert.is_true(process.heap() - memory < ROUNDS * 64, "it grows: " .. (process.heap() - memory))
  end

  it("costs neither descriptors nor memory, over TCP", function()
    local listener, port = sockets.listen(0)
    local round = 0
    flat(function()
      round = round + 1
      local one = world:opened { port = port }
      world.all = {}
      local peer = listener:accept(1000)
      local gone = round % 2 == 0
      if gone then
        one.stream:abort()
      else
        one.stream:finish(1000, function() gone = true end)
      end
      peer:close()
      world:wait(function() return gone end)
    end)
    listener:close()
  end)

  it("costs neither descriptors nor memory, over TLS", function()
    local server = tls_server.start { folder = folder, certificate = "server" }
    local context = assert(probe.context(options()))
    local round = 0
    flat(function()
      round = round + 1
      local one = world:opened { host = "localhost", port = server.port, tls = context }
      world.all = {}
      assert(one.stream:state() == "open")
      local gone = round % 2 == 0
      if gone then
        one.stream:abort()
      else
        one.stream:finish(1000, function() gone = true end)
      end
      world:wait(function() return gone end)
    end)
  end)
end)
