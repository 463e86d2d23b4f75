-- The Paho link beside others in one process, and brokers that die, freeze or want their own keep alive.
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local worlds = require "spec.support.worlds"

local world = worlds.alone

local PACE = os.getenv "HOLDFAST_SANITIZE" and 4 or 1 -- a sanitizer takes its time over tens of megabytes

describe("outages of the Paho link #broker", function()
  local broker

  after_each(function()
    world:finish()
    mosquitto.finish()
  end)

  local function start()
    broker = mosquitto.start { lines = { "max_inflight_messages 0" } }
    world.attempt = { port = broker.port }
  end

  local function connected(fields)
    local link = world:link()
    link:connect(fields)
    return link
  end

  it("loses each QoS 1 publish of a killed broker once and nothing else", function()
    start()
    for _, protocol in ipairs { 4, 5 } do
      for _, expiry in ipairs { 0, 100 } do
        local link = connected { protocol = protocol, session_expiry = expiry, client_id = protocol .. "-" .. expiry }
        local given = 0
        for id = 1, 2000 do
          if id == 1000 then broker:kill() end
          while not link:publish(id, "a/b", ("x"):rep(500), 1) do
            local mail = assert(link:take(5000), "neither room nor an end")
            if mail.kind == "down" then break end
          end
          if link.seen[#link.seen].kind == "down" then break end
          given = id
        end
        link:rest(200)
        local times, results = link:outcomes()
        local ends, delivered = 0, 0
        for _, mail in ipairs(link.seen) do ends = ends + (mail.kind == "down" and 1 or 0) end
        assert.are.equal(1, ends)
        for id = 1, given do
          assert.are.equal(1, times[id])
          delivered = delivered + (results[id] == 0 and 1 or 0)
        end
        -- As many as there are places may have been open when it died.
        assert.is_true(delivered >= 999 - link:window() and delivered < given, delivered .. " of " .. given)
        broker:restart()
      end
    end
  end)

  it("leaves the others alone when one is lost and comes back", function()
    start()
    local other = mosquitto.start { persistent = true, lines = { "max_inflight_messages 0" } }
    local reader = connected { client_id = "reader" }
    reader:subscribe(1, "numbers", 1)
    reader:wait "subscribed"
    local writer, restless = connected { client_id = "writer" }, world:link()
    local given, rounds, returned = 0, 0, 0
    local function count(mail)
      if mail and mail.kind == "delivered" then returned = returned + 1 end
    end
    local deadline = process.now() + 3000
    restless:connect { port = other.port, client_id = "restless", session_expiry = 100 }
    while process.now() < deadline do
      for _ = 1, 200 do
        if writer:publish(given + 1, "numbers", tostring(given + 1), 1) then given = given + 1 end
        count(writer:take(1))
      end
      restless:publish(rounds, "x", "x", 1)
      other:save():restart()
      assert(restless:wait "down", restless:story())
      assert.is_true(restless:connect({ port = other.port, client_id = "restless", session_expiry = 100 })
        .session_present)
      rounds = rounds + 1
    end
    while returned < given do count(assert(writer:take(2000), "a publish of the writer did not come back")) end
    reader:rest(300)
    assert.is_true(rounds >= 3, rounds .. " rounds")
    local seen = {}
    for _, mail in ipairs(reader.seen) do
      if mail.kind == "message" then seen[mail.payload] = (seen[mail.payload] or 0) + 1 end
    end
    for id = 1, given do assert.are.equal(1, seen[tostring(id)]) end
    assert.is_nil(writer:story():find "down")
  end)

  it("finds a frozen broker within 2.5 keep alives, whatever the others have", function()
    start()
    local patient = connected { client_id = "patient", keep_alive = 60 }
    local quick = connected { client_id = "quick", keep_alive = 2 }
    local calm = connected { client_id = "calm", keep_alive = 3 }
    local last = connected { client_id = "last", keep_alive = 60 }
    local begun = process.now()
    broker:freeze()
    assert(quick:wait("down", 5000), "not lost within 5 s")
    assert.is_true(process.now() - begun > 1000)
    assert(calm:wait("down", 7500 - (process.now() - begun)), "not lost within 7.5 s")
    assert.are.same({}, patient:rest(0))
    assert.are.same({}, last:rest(0))
    broker:resume()
    quick:connect { client_id = "quick", keep_alive = 2 }
  end)

  it("keeps a keep alive of one second, though what is received puts Paho out of step", function()
    local script = scripted.listen()
    world.attempt = { port = script.port }
    local link = world:link()
    link:open { keep_alive = 1 }
    local client = script:welcome()
    for _ = 1, 4 do
      process.sleep(900)
      client:publish { topic = "a", payload = "" }
      client:expect("pingreq", 600)
      client:send("pingresp", "")
    end
    script:close()
  end)

  it("keeps every keep alive towards a broker that lives", function()
    start()
    local links = {}
    for _, keep_alive in ipairs { 2, 60, 1, 3, 0, 5, 60 } do
      links[#links + 1] = connected { client_id = "k" .. #links, keep_alive = keep_alive }
    end
    process.sleep(20000)
    for _, link in ipairs(links) do assert.are.equal("connected", link:story(), link:rest(0)[1]) end
  end)

  for _, case in ipairs { { server = 2, ours = 60 }, { server = 1, ours = 60 }, { server = 4, ours = 2 } } do
    it("pings as the server's keep alive of " .. case.server .. " s wants it, not ours of " .. case.ours, function()
      local script = scripted.listen()
      world.attempt = { port = script.port }
      local link = world:link()
      link:open { keep_alive = case.ours }
      local client = script:welcome { properties = { scripted.two(19, case.server) } }
      assert.are.equal(case.server, link:wait("connected").keep_alive)
      local before = process.now()
      for _ = 1, 3 do
        client:expect("pingreq", case.server * 1500)
        client:send("pingresp", "")
      end
      if case.server > case.ours then assert.is_true(process.now() - before > 2 * 1000 * case.ours) end
      script:close()
    end)
  end

  it("tells a server that stopped answering pings", function()
    local script = scripted.listen()
    world.attempt = { port = script.port }
    local link = world:link()
    link:open { keep_alive = 60 }
    script:welcome { properties = { scripted.two(19, 2) } }
    assert(link:wait "connected", link:story())
    assert(link:wait("down", 5000), "not lost within 2.5 times the server's keep alive")
    script:close()
  end)

  -- Paho's receive thread looks at a new connection once a second: only the waker can make it look earlier.
  it("does not wait for Paho's second to connect, alone or beside idle links", function()
    start()
    local link, times = world:link(), {}
    for round = 1, 40 do
      if round == 21 then
        for i = 1, 20 do connected { client_id = "idle" .. i } end
      end
      local begun = process.now()
      link:connect()
      times[round] = process.now() - begun
      link:close()
      link:wait "closed"
    end
    table.sort(times)
    assert.is_true(times[20] < 900, "median " .. times[20] .. " ms")
  end)

  it("does not wait for Paho's second at each buffer of a large publish", function()
    start()
    local link = connected()
    local payload = ("x"):rep(20e6)
    local begun = process.now()
    assert.is_true(link:publish(1, "big", payload, 1))
    assert.are.equal(0, assert(link:wait "delivered").result)
    assert.is_true(process.now() - begun < 2000 * PACE, process.now() - begun .. " ms")
  end)

  -- Paho's send thread looks at its queue when something new comes, and else once a second.
  it("does not wait for Paho's second between large publishes", function()
    start()
    local link = connected()
    local payload = ("x"):rep(10e6)
    local begun = process.now()
    for id = 1, 10 do assert.is_true(link:publish(id, "big", payload, 1)) end
    for _ = 1, 10 do assert.are.equal(0, assert(link:wait "delivered").result) end
    assert.is_true(process.now() - begun < 4000 * PACE, process.now() - begun .. " ms")
  end)

  it("does not wait for it either when it is the properties that are large", function()
    start()
    local link, user = connected(), {}
    for index = 1, 80 do user[index] = { ("n"):rep(65535), ("v"):rep(65535) } end
    local begun = process.now()
    for id = 1, 10 do assert.is_true(link:publish(id, "big", "", 1, false, { user = user })) end
    for _ = 1, 10 do assert.are.equal(0, assert(link:wait "delivered").result) end
    assert.is_true(process.now() - begun < 3000 * PACE, process.now() - begun .. " ms")
  end)

  it("says why it will not connect through a proxy", function()
    start()
    local child = [[
      local probe, link = require "link_probe"
      link = probe.create "paho"
      link:open { port = ]] .. broker.port .. [[, tls = os.getenv "TLS" and {} }
      local mail = link:take(3000)
      print(mail.kind, mail.reason, mail.text)
    ]]
    local path = broker.folder .. "/child.lua"
    local file = assert(io.open(path, "w"))
    file:write(child)
    file:close()
    local function run(environment)
      local pipe = assert(io.popen(environment .. " '" .. arg[-1] .. "' '" .. path .. "' 2>&1"))
      local text = pipe:read "*a"
      pipe:close()
      return text
    end
    assert.is_truthy(run("http_proxy=http://127.0.0.1:9"):find "^failed\tproxy_variable\thttp_proxy is set")
    assert.is_truthy(run("https_proxy=http://127.0.0.1:9"):find "^connected")
    -- Over TLS the other one counts, and the first as well: the waker's connection is a plain one.
    assert.is_truthy(run("TLS=1 https_proxy="):find "^failed\tproxy_variable\thttps_proxy is set")
    assert.is_truthy(run("TLS=1 http_proxy=http://127.0.0.1:9"):find "^failed\tproxy_variable\thttp_proxy is set")
  end)
end)
