-- A client's life in an nginx worker, with a timer of nginx that ticks throughout. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"
local sockets = require "socket_probe"
local tree = require "spec.support.tree"

-- A timer at 10 ms, and what happened to the client, for /tick and /events.
local WORKER = [[
  local holdfast = require "resty.holdfast"
  happened, ticks, longest, latest, got = {}, 0, 0, false, {}
  ngx.timer.every(0.01, function()
    ngx.update_time()
    local now = ngx.now()
    longest = math.max(longest, latest and now - latest or 0)
    latest, ticks = now, ticks + 1
  end)
  client = assert(holdfast:new {
    server = "mqtt://127.0.0.1:PORT", backoff = { min = 0.1, max = 0.2 }, session_expiry = 60, CHANGES
  })
  for _, name in ipairs { "connecting", "ready", "failed", "lost", "closed" } do
    client:on(name, function(event)
      happened[#happened + 1] = name .. (event.reason and " " .. event.reason.name or "")
    end)
  end
]]

local LOCATIONS = {
  ["/tick"] = [[ngx.say(ticks, " ", longest)]],
  ["/events"] = [[for _, line in ipairs(happened) do ngx.say(line) end]],
  ["/publish"] = [[
    local payload = ngx.var.arg_payload or ngx.var.request_id
    local fine, problem, code = client:publish(ngx.var.arg_topic, payload, { qos = 1 })
    ngx.status = fine and 200 or 503
    ngx.say(fine and "published" or code .. ": " .. problem)
  ]],
  ["/post"] = [[ngx.say(client:post(ngx.var.arg_topic, ngx.var.arg_payload, { qos = 1 }))]],
  ["/got"] = [[ngx.say(table.concat(got, " "))]],
}

describe("a client in nginx #broker", function()
  local broker, server

  before_each(function()
    broker = mosquitto.start { persistent = true }
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function start(code, more)
    local locations = {}
    for path, text in pairs(LOCATIONS) do
      locations[path] = text
    end
    for path, text in pairs(more.locations or {}) do
      locations[path] = text
    end
    local changes = { PORT = tostring(broker.port), CHANGES = more.changes or "" }
    server = nginx.start {
      workers = more.workers, http = more.http, server = more.server, locations = locations,
      init_worker = WORKER:gsub("%u%u%u+", changes) .. code,
    }
    return server
  end

  -- Whether the broker keeps a session for that id; takes it over.
  local function has_session(id)
    local heir = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = id }
    heir:start()
    local connected = assert(heir:wait("connected", 5))
    heir:close()
    return connected.session_present
  end

  it("connects, subscribes, publishes, lives through the death of its broker and closes; nothing blocks", function()
    start([[
      client:subscribe("kept/#", { qos = 1 }, ngx.shared.kept)
      client:subscribe("handled", { qos = 1 }, function(message)
        ngx.sleep(0.01) -- a handler may wait
        client:publish("kept/answer", message.payload, { qos = 1 })
      end)
      local read = client:subscribe("read", { qos = 1 })
      ngx.timer.at(0, function()
        for message in read:messages() do
          got[#got + 1] = message.payload
        end
        got[#got + 1] = "end"
      end)
      client:start()
    ]], {
      http = "lua_shared_dict kept 64k;",
      locations = {
        ["/kept"] = [[ngx.say(ngx.shared.kept:get(ngx.var.arg_topic))]],
        ["/close"] = [[ngx.say(tostring(client:close(1)))]],
      },
    })
    server:eventually("/events", "connecting\nready$")
    server:answer "/publish?topic=handled&payload=first"
    server:eventually("/kept?topic=kept/answer", "^first$")
    server:answer "/publish?topic=read&payload=one"
    server:eventually("/got", "^one$")
    server:answer "/publish?topic=kept/gone&payload=here"
    server:eventually("/kept?topic=kept/gone", "^here$")
    server:answer "/publish?topic=kept/gone&payload="
    server:eventually("/kept?topic=kept/gone", "^nil$")

    broker:save():kill()
    server:eventually("/events", "\nlost connection_lost")
    local before = tonumber((server:answer "/tick"):match "^%d+")
    local waiting = {}
    for index = 1, 2 do
      waiting[index] = process.spawn({ os.getenv "LUA", "-e", ([[
        local sockets = require "socket_probe"
            local socket = sockets.connect(%d)
        socket:send "GET /publish?topic=read&payload=waited HTTP/1.0\r\n\r\n"
        local _, _, answer = socket:receive(10000, 20000)
        os.exit(answer:find "200 OK" and 0 or 1)
      ]]):format(server.port) }, server.folder .. "/waiting")
    end
    process.sleep(500)
    broker:restart()
    for _, pid in ipairs(waiting) do
      assert.are.same({ "exited", 0 }, { process.wait(pid, 20000) })
    end
    server:eventually("/events", "\nready$")
    server:eventually("/got", "^one waited waited$")
    server:answer "/publish?topic=handled&payload=second"
    server:eventually("/kept?topic=kept/answer", "^second$")

    assert.are.equal("true", server:answer "/close")
    server:eventually("/events", "\nclosed closed$")
    server:eventually("/got", "^one waited waited end$")
    local status, body = server:get "/publish?topic=a"
    assert.are.same({ 503, "closed: the client is closed\n" }, { status, body })

    local ticks, longest = (server:answer "/tick"):match "^(%d+) (%S+)$"
    assert.is_true(tonumber(ticks) > before + 20, "the timer has stopped")
    assert.is_true(tonumber(longest) < 0.4, "the worker stood still for " .. longest .. " s")
    assert.is_nil(server:log():find("%[error%]"), server:log())
  end)

  it("splits a shared subscription between the workers", function()
    start([[
      client:subscribe("$share/workers/jobs/#", { qos = 1 }, function(message)
        ngx.shared.work:incr(message.payload, 1, 0)
        ngx.shared.work:incr("worker " .. ngx.worker.id(), 1, 0)
      end)
      client:start()
    ]], {
      workers = 2, changes = 'client_id = "splitter-$worker-$pid"', http = "lua_shared_dict work 1m;",
      locations = {
        ["/ready"] = [[ngx.say(ngx.worker.id(), " ", tostring(client:status().ready))]],
        ["/work"] = [[
          local once, all = 0, 0
          for number = 1, 100 do
            local times = ngx.shared.work:get("job" .. number)
            once, all = once + (times == 1 and 1 or 0), all + (times or 0)
          end
          ngx.say(all, " ", once, " ", ngx.shared.work:get "worker 0" or 0, " ", ngx.shared.work:get "worker 1" or 0)
        ]],
      },
    })
    server:eventually("/ready", "0 true")
    server:eventually("/ready", "1 true")
    for number = 1, 100 do
      server:answer("/publish?topic=jobs/a&payload=job" .. number)
    end
    local first, second = server:eventually("/work", "^100 100 "):match "(%d+) (%d+)$"
    assert.is_true(tonumber(first) > 20 and tonumber(second) > 20, first .. " and " .. second)
  end)

  it("answers the requests that wait for the broker before a worker leaves, and says good-bye to it", function()
    start('client:subscribe("a", function() end) client:start()', {
      changes = 'client_id = "leaver-$pid"',
      locations = {
        ["/late"] = [[
          ngx.sleep(1.5) -- and only then it wants to publish
          local fine = client:publish("late", "here", { qos = 1 })
          ngx.status = fine and 200 or 503
        ]],
      },
    })
    server:eventually("/events", "\nready$")
    local late, waits = sockets.connect(server.port), sockets.connect(server.port)
    assert(late:send "GET /late HTTP/1.0\r\n\r\n")
    broker:kill()
    server:eventually("/events", "\nlost")
    assert(waits:send "GET /publish?topic=waited HTTP/1.0\r\n\r\n")
    process.sleep(200)
    assert(process.kill(server.pid, "QUIT"))
    process.sleep(300)
    broker:restart()
    for _, socket in ipairs { late, waits } do
      local _, _, answer = socket:receive(10000, 10000)
      assert.is_truthy(answer:find "^HTTP/1.1 200", answer .. server:log())
    end
    assert.are.same({ "exited", 0 }, { process.wait(server.pid, 5000) })
    server.pid = nil
    assert.is_truthy(broker:log():find "Received DISCONNECT from leaver%-%d+", broker:log())
    assert.is_truthy(broker:log():find "Received UNSUBSCRIBE from leaver%-%d+", broker:log())
    local id = broker:log():match "leaver%-%d+"
    assert.is_false(has_session(id))
    assert.is_nil(server:log():find("%[error%]"), server:log())
  end)

  -- A worker that is told to leave says goodbye, whether its id dies with it or not; one that is ended has not.
  for i, id in ipairs { "$pid", "$worker", "", "$pid", "$worker", "" } do
    local transport = i <= 3 and "paho" or "native"
    for signal, expected in pairs { QUIT = false, TERM = true } do
      local name = "publishes %s will at SIG%s, client id willing-%s, by %s"
      it(name:format(expected and "its" or "no", signal, id, transport), function()
        local witness = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
        local wills = witness:subscribe("will", { qos = 1 })
        assert(witness:connect(10))
        start("client:start()", {
          changes = ('will = { topic = "will", payload = "gone", qos = 1 }, transport = "%s", client_id = %s'):format(
            transport, id ~= "" and ('"willing-%s"'):format(id) or "nil"),
        })
        server:eventually("/events", "\nready$")
        assert(process.kill(server.pid, signal))
        assert.are.same({ "exited", 0 }, { process.wait(server.pid, 10000) })
        server.pid = nil
        assert(witness:publish("will", "nobody", { qos = 1 }))
        assert.equal(expected and "gone" or "nobody", assert(wills:receive(10)).payload)
        witness:close(1)
      end)
    end
  end

  it("delivers what it has accepted before a worker leaves, though no request waits for it", function()
    local witness = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, client_id = "witness",
      session_expiry = 60 }
    local heard = witness:subscribe("accepted", { qos = 1 })
    assert(witness:connect(10))
    start("client:start()", { changes = 'client_id = "leaver-$pid"' })
    server:eventually("/events", "\nready$")
    broker:save():kill()
    server:eventually("/events", "\nlost")
    server:answer "/post?topic=accepted&payload=late"
    assert(process.kill(server.pid, "QUIT"))
    process.sleep(300)
    broker:restart()
    assert.equal("late", assert(heard:receive(10)).payload)
    assert.are.same({ "exited", 0 }, { process.wait(server.pid, 5000) })
    server.pid = nil
    witness:close(1)
  end)

  it("lets an idle worker leave at once", function()
    start([[
      local read = client:subscribe("read", { qos = 1 })
      ngx.timer.at(0, function()
        for message in read:messages() do
          got[#got + 1] = message.payload
        end
      end)
      client:start()
    ]], {})
    server:eventually("/events", "\nready$")
    assert.is_true(server:quit(3000), "it did not leave")
  end)

  it("lets a worker leave in which a timer waits for an event without end, but has others wait", function()
    start([[
      ngx.timer.at(0, function()
        local message, code
        repeat
          local event
          event, message, code = client:wait "sleeping"
        until not event
        ngx.log(ngx.NOTICE, "left: ", code, ": ", message, ", ", select(3, client:wait "lost"))
      end)
      client:start()
    ]], { locations = { ["/wait"] = [[ngx.say(select(3, client:wait("sleeping", 1)))]] } })
    server:eventually("/events", "\nready$")
    local waits, before = sockets.connect(server.port), process.now()
    assert(waits:send "GET /wait HTTP/1.0\r\n\r\n")
    process.sleep(100)
    assert.is_true(server:quit(3000), "it did not leave")
    local _, _, answer = waits:receive(10000, 1000)
    assert.is_truthy(answer:find "timeout\n$", answer)
    assert.is_true(process.now() - before >= 1000)
    local words = "left: closed: the worker is leaving, and nobody waits in it without end, closed"
    assert.is_truthy(server:log():find(words, 1, true), server:log())
  end)

  it("warns once of a shared dict that drops others", function()
    start('client:subscribe("kept/#", { qos = 1 }, ngx.shared.kept) client:start()', {
      http = "lua_shared_dict kept 16k;", locations = {
        ["/kept"] = [[ngx.say(ngx.shared.kept:get "kept/20" and "there" or "")]],
        ["/fill"] = [[
          for number = 1, 20 do
            client:post("kept/" .. number, ("x"):rep(2000), { qos = 1 })
          end
        ]],
      },
    })
    server:eventually("/events", "\nready$")
    server:answer "/fill"
    server:eventually("/kept", "^there$")
    local _, warnings = server:log():gsub("%[warn%][^\n]*holdfast: the shared dict is full: it has dropped", "")
    assert.are.equal(1, warnings, server:log())
  end)

  it("has a store go on with the worker after it", function()
    local folder = assert(process.temporary_folder())
    finally(function()
      process.remove_folder(folder)
    end)
    local code = tree.read("docs/hosts/openresty.md"):match "```lua\n(local client %-%- nil until.-)```"
    code = code:gsub("mqtt://localhost", "mqtt://127.0.0.1:" .. broker.port):gsub("/var/lib/gateway", folder)
      :gsub("^local client", 'local holdfast = require "resty.holdfast"\nclient = nil')
    server = nginx.start { init_worker = code, locations = {
      ["/state"] = [[ngx.say(ngx.worker.pid(), " ", client and client:status().state or "none")]],
      ["/post"] = [[ngx.say(client:post("a", "1", { qos = 1 }))]],
    } }
    server:eventually("/state", "^%d+ connected$")
    local first = server:answer("/state"):match "^%d+"
    broker:kill()
    server:eventually("/state", "^%d+ waiting$")
    assert.are.equal("1", server:answer "/post")
    process.kill(server.pid, "HUP")
    server:eventually("/state", "^%d+ none$") -- the first has it for as long as it tries to deliver what it holds
    broker:restart()
    server:eventually("/state", "^%d+ connected$")
    assert.are_not.equal(first, server:answer("/state"):match "^%d+")
    assert.are.equal("2", server:answer "/post")
    assert.is_truthy(io.open(folder .. "/0.queue"), "no store of worker 0"):close()
    assert.is_nil(server:log():find("%[error%]"), server:log())
    assert.is_true(server:quit(3000), "it did not leave")
  end)

  it("lets a worker leave whose client has stepped away from its broker", function()
    start([[
      local slow = client:subscribe("slow", { qos = 1 })
      ngx.timer.at(0, function()
        repeat
          slow:receive(1)
          got[1] = (got[1] or 0) + 1
          while got[1] > 1 and not ngx.worker.exiting() do
            ngx.sleep(0.01)
          end
        until ngx.worker.exiting()
      end)
      client:start()
    ]], { changes = "transport = 'paho', inbox = { messages = 5 }, receive_maximum = 5," })
    server:eventually("/events", "\nready$")
    for number = 1, 20 do
      server:answer("/post?topic=slow&payload=" .. number)
    end
    server:eventually("/events", "\nlost slow_consumer$")
    process.sleep(3200) -- it looks now and then whether the reader has ended, and waits for 4 s now
    assert.is_true(server:quit(2500), "it did not leave" .. server:log())
  end)

  it("runs the code of docs/hosts/openresty.md", function()
    local code = tree.read("docs/hosts/openresty.md"):match '```lua\n(local holdfast = require "resty.holdfast".-)```'
    code = code:gsub("mqtt://localhost", "mqtt://127.0.0.1:" .. broker.port):gsub("local client", "client")
    server = nginx.start {
      init_worker = code, http = "lua_shared_dict meters 64k;", locations = {
        ["/id"] = [[ngx.say(client:status().client_id, " ", client:status().state)]],
        ["/publish"] = [[ngx.say(tostring(client:publish("meters/a", "1", { qos = 1 })))]],
        ["/kept"] = [[ngx.say(ngx.shared.meters:get "meters/a")]],
      },
    }
    server:eventually("/id", "^gateway%-0%-%d+ connected$")
    local id = server:answer("/id"):match("^%S+"):gsub("%-", "%%-")
    assert.is_truthy(server:log():find("%[info%][^\n]*holdfast: [^\n]* %[" .. id .. "%]"), server:log())
    assert.are.equal("true", server:answer "/publish")
    server:eventually("/kept", "^1$")
  end)

  it("runs the code of README.md", function()
    local code = tree.read("README.md"):match '```lua\n(local client = require%("resty.holdfast"%).-)```'
    code = code:gsub("mqtt://localhost", "mqtt://127.0.0.1:" .. broker.port)
    server = nginx.start { init_worker = "", locations = { ["/publish"] = code } }
    server:eventually("/publish?meter=a&value=42", "^published$")
    assert.is_truthy(broker:log():find("Received PUBLISH from gateway%-0%-%d+ [^\n]*'meters/a'"), broker:log())
  end)

  it("gives its id to the worker after it, with the session", function()
    start([[
      client:subscribe("kept/#", { qos = 1 }, function(message) got[#got + 1] = message.payload end)
      client:start()
    ]], { changes = 'client_id = "stable-$worker"' })
    server:eventually("/events", "\nready$")
    server:reload()
    server:answer "/publish?topic=kept/a&payload=after"
    server:eventually("/got", "after")
    assert.is_truthy(broker:log():find("Sending CONNACK to stable-0 (1, 0)", 1, true), broker:log())
    assert.is_true(server:quit(3000))
    assert.is_true(has_session "stable-0")
  end)

  it("has the answer to what a request has asked when it is told to leave meanwhile", function()
    start([[
      client:subscribe("other", { qos = 1 }, print)
      client:start()
    ]], { locations = { ["/ask"] = [[
      local answer, problem = client:request("q", "x", { timeout = 5 })
      ngx.say(answer and answer.payload or problem)
    ]] } })
    server:eventually("/events", "\nready$")
    local adder = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    local questions = adder:subscribe "q"
    assert(adder:connect(10))
    local socket = sockets.connect(server.port)
    assert(socket:send "GET /ask HTTP/1.0\r\n\r\n")
    local question = assert(questions:receive(10))
    assert(process.kill(server.pid, "QUIT"))
    local deadline = process.now() + 10000
    while not broker:log():find "Received UNSUBSCRIBE" do
      assert(process.now() < deadline, broker:log())
      process.sleep(10)
    end
    adder:post(question.properties.response_topic, "42",
      { properties = { correlation_data = question.properties.correlation_data } })
    adder:close(5)
    local _, _, answer = socket:receive(1000000, 10000)
    assert.matches("\r\n\r\n42\n$", answer)
    assert.is_true(server:quit(10000))
  end)

  it("hands a message on when the request that waited for one has been given up", function()
    start([[
      read = client:subscribe("read", { qos = 1 })
      client:start()
    ]], {
      server = "lua_check_client_abort on;",
      locations = { ["/read"] = "ngx.say(read:receive(5).payload)", ["/waiting"] = "ngx.say(#read.readers)" },
    })
    server:eventually("/events", "\nready$")
    local given_up = {}
    for count = 1, 2 do
      given_up[count] = sockets.connect(server.port)
      assert(given_up[count]:send "GET /read HTTP/1.0\r\n\r\n")
      server:eventually("/waiting", "^" .. count .. "$")
    end
    for _, socket in ipairs(given_up) do
      socket:close()
    end
    process.sleep(50)
    server:answer "/publish?topic=read&payload=kept"
    assert.are.equal("kept", server:answer "/read")
    assert.is_true(server:quit(3000), "those who were given up hold up the worker")
  end)

  it("goes on when a handler has ended the timer that it lives in", function()
    start([[
      client:subscribe("exit", { qos = 1 }, function() ngx.exit(ngx.OK) end)
      client:subscribe("go/on", { qos = 1 }, function(message) got[#got + 1] = message.payload end)
      client:start()
    ]], {})
    server:eventually("/events", "\nready$")
    server:get("/publish?topic=exit", 500)
    server:answer "/publish?topic=go/on&payload=still"
    server:eventually("/got", "^still$")
    assert.is_truthy(server:log():find("one of them has called ngx.exit", 1, true), server:log())
    server:expect("has called ngx.exit")
  end)
end)
