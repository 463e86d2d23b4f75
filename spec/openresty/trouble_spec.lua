-- What nginx and its users do to those who wait: requests that are given up, handlers that call ngx.exit, timers that
-- cannot be had, phases that cannot be suspended. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"
local sockets = require "socket_probe"

describe("trouble in nginx #broker", function()
  local broker, server

  before_each(function()
    broker = mosquitto.start()
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function start(code, options)
    options.init_worker = ([[
      client = assert(require "resty.holdfast":new {
        server = "mqtt://127.0.0.1:%d", backoff = { min = 0.05, max = 0.1 }, %s
      })
      %s
      client:start()
    ]]):format(broker.port, options.changes or "", code)
    server = nginx.start(options)
  end

  local function publisher()
    local client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port }
    assert(client:connect(10))
    return client
  end

  describe("requests that are given up", function()
    local COUNT = 5
    local standing = [[
      local function count(queue)
        local found = 0
        for position = queue and queue.first or 1, queue and queue.last or 0 do
          found = found + (queue[position] and 1 or 0)
        end
        ngx.say(found)
      end
      count(%s)
    ]]

    local function begin(path)
      local socket = sockets.connect(server.port)
      assert(socket:send("GET " .. path .. " HTTP/1.0\r\n\r\n"))
      return socket
    end

    -- Some wait and are given up, and then another one comes, which is answered.
    local function give_up(path, standing_path, first)
      local all = {}
      for index = 1, COUNT do
        all[index] = begin(path .. index)
        server:eventually(standing_path, "^" .. math.max(0, index - (first or 0)) .. "$")
      end
      for _, socket in ipairs(all) do
        socket:close()
      end
      process.sleep(100)
      local last = begin(path .. "last")
      server:eventually(standing_path, "^1$")
      return last
    end

    it("leave nothing behind where they waited for an event, a message or a connection", function()
      start('read = client:subscribe "read" other = client:subscribe "other"', {
        server = "lua_check_client_abort on;",
        locations = {
          ["/wait"] = 'client:wait "sleeping"', ["/waiting"] = standing:format "client.expected.sleeping",
          ["/receive"] = "read:receive()", ["/receiving"] = standing:format "read.readers",
          ["/iterate"] = "for _ in other:messages() do end", ["/iterating"] = standing:format "other.readers",
          ["/connect"] = "client:connect()", ["/connecting"] = standing:format "client.connecting",
          ["/ready"] = "ngx.say(tostring(client:status().ready))",
        },
      })
      server:eventually("/ready", "^true$")
      broker:kill()
      server:eventually("/ready", "^false$")
      local pairs_of_paths = {
        { "/wait", "/waiting" }, { "/receive", "/receiving" }, { "/iterate", "/iterating" },
        { "/connect", "/connecting" },
      }
      for _, paths in ipairs(pairs_of_paths) do
        give_up(paths[1] .. "?", paths[2]):close()
      end
    end)

    it("take along what they wanted to publish if it waited for room, and nobody else's", function()
      start("", {
        server = "lua_check_client_abort on;", changes = "queue = { messages = 1 },",
        locations = {
          ["/publish"] = 'ngx.say(tostring(client:publish("given/up", ngx.var.args, { qos = 1 })))',
          ["/standing"] = standing:format "client.line",
        },
      })
      broker:kill()
      local last = give_up("/publish?", "/standing", 1)
      local received = {}
      local subscriber = holdfast.new {
        server = "mqtt://127.0.0.1:" .. broker.port, backoff = { min = 0.01, max = 0.01 },
      }
      subscriber:subscribe("given/up", { qos = 1 }, function(message)
        received[#received + 1] = message.payload
      end)
      process.kill(server:workers()[1], "STOP") -- until somebody listens
      broker:restart()
      assert(subscriber:connect(10))
      process.kill(server:workers()[1], "CONT")
      local _, _, answer = last:receive(10000, 10000)
      assert.is_truthy(answer:find "true\n$", answer .. server:log())
      last:close()
      holdfast.sleep(0.2)
      subscriber:close()
      assert.are.same({ "1", "last" }, received) -- the first was in the queue
    end)
  end)

  -- Of two threads the first is waited for and the loser ended, as people write it.
  it("that ends a reader between its message and its turn loses no message", function()
    start('read = client:subscribe("race", { qos = 1 }) got = {}', { locations = {
      ["/ready"] = "ngx.say(tostring(client:status().ready))",
      ["/race"] = [[
        local function receive(timeout)
          local message = read:receive(timeout)
          got[#got + 1] = message and message.payload
          return message
        end
        for n = 1, 400 do
          local reader = ngx.thread.spawn(receive)
          local clock = ngx.thread.spawn(function() ngx.sleep(0.001 * (n % 4 + 1)) end)
          ngx.thread.wait(reader, clock)
          ngx.thread.kill(reader)
          ngx.thread.kill(clock)
        end
        while receive(0.5) do end
        ngx.say(table.concat(got, " "))
      ]],
      ["/inbox"] = "ngx.say(client:status().inbox.messages, read.dropped)",
    } })
    server:eventually("/ready", "^true$")
    local other = publisher()
    local asking = sockets.connect(server.port)
    assert(asking:send "GET /race HTTP/1.0\r\n\r\n")
    local numbers = {}
    for n = 1, 400 do
      numbers[n] = tostring(n)
      assert(other:publish("race", numbers[n], { qos = 1 }))
    end
    other:close()
    local _, _, answer = asking:receive(1000000, 20000)
    asking:close()
    assert.are.equal(table.concat(numbers, " "), answer:match "\r\n\r\n([^\n]*)\n$", tostring(answer) .. server:log())
    assert.are.equal("00", server:answer "/inbox")
  end)

  it("of a handler that calls ngx.exit is told, and ends nothing but the handlers under way", function()
    start([[
      got = {}
      local function take(message)
        got[#got + 1] = message.payload
        if message.payload == "exit" then
          ngx.exit(ngx.OK)
        end
      end
      client:subscribe("one/by/one", { qos = 1, ordered = true }, take)
      client:subscribe("at/once", { qos = 1 }, take)
      client:on("error", function(event) told = event.message end)
    ]], { locations = {
      ["/got"] = 'ngx.say(table.concat(got, " "), " ", client:status().inbox.messages)',
      ["/told"] = "ngx.say(tostring(told))",
      ["/ready"] = "ngx.say(tostring(client:status().ready))",
    }, expects = { "one of them has called ngx.exit" } })
    server:eventually("/ready", "^true$")
    local other = publisher()
    local told = {}
    for _, topic in ipairs { "at/once", "one/by/one" } do
      assert(other:post(topic, "exit", { qos = 1 }))
      assert(other:post(topic, topic .. 1, { qos = 1 }))
      assert(other:publish(topic, topic .. 2, { qos = 1 }))
      told[#told + 1] = "exit " .. topic .. "1 " .. topic .. "2"
      server:eventually("/got", "^" .. table.concat(told, " ") .. " 0$")
    end
    assert.are.equal(
      "nginx has ended the timer in which this handler ran: it, or another one, has called ngx.exit",
      server:answer "/told")
    other:close()
  end)

  it("with too few timers is told before anything is published", function()
    start("", {
      http = "lua_max_pending_timers 1;", expects = { "nginx gives no timer for holdfast" },
      locations = {
        ["/publish"] = 'ngx.say(tostring(select(2, pcall(client.publish, client, "a", "b"))))',
        ["/queued"] = "ngx.say(client:status().queued.messages)",
      },
    })
    local words = "nginx gives no timer for holdfast, which needs three: too many pending timers; see "
      .. "lua_max_pending_timers"
    assert.is_truthy(server:answer("/publish"):find("publish: " .. words, 1, true))
    assert.are.equal("0", server:answer "/queued")
    assert.is_truthy(server:log():find(words, 1, true), server:log()) -- of client:start
    assert.is_true(server:quit(3000), "it did not leave")
  end)

  it("is over once nginx runs timers again", function()
    start("for _ = 1, 2 do ngx.timer.at(0, function() ngx.sleep(1.2) end) end", {
      http = "lua_max_running_timers 2;", expects = { "2 lua_max_running_timers are not enough" },
      locations = {
        ["/publish"] = 'ngx.say(tostring(client:publish("a", ngx.var.args, { qos = 1 })))',
      },
    })
    assert.are.equal("true", server:answer "/publish?b")
    assert.is_truthy(server:log():find("2 lua_max_running_timers are not enough", 1, true), server:log())
  end)

  it("of a credentials function that publishes on its own client is answered at once", function()
    start("", {
      changes = [[credentials = function()
        code = select(3, client:publish("a", "b"))
        return "user"
      end,]],
      locations = {
        ["/code"] = "ngx.say(tostring(code), tostring(client:status().ready), client:status().queued.messages)",
      },
    })
    server:eventually("/code", "^credentialstrue0$")
  end)

  it("with a shared dict that is too small is told once", function()
    start('client:subscribe("tiny/#", { qos = 1 }, ngx.shared.tiny)', {
      http = "lua_shared_dict tiny 32k;",
      locations = {
        ["/ready"] = "ngx.say(tostring(client:status().ready))",
        ["/received"] = "ngx.say(client:status().counters.received, ngx.shared.tiny:get 'tiny/last' or '')",
      },
    })
    server:eventually("/ready", "^true$")
    local other = publisher()
    for count = 1, 5 do
      assert(other:publish("tiny/" .. count, ("x"):rep(40000), { qos = 1 }))
    end
    assert(other:publish("tiny/last", "fits", { qos = 1 }))
    server:eventually("/received", "^6fits$")
    other:close()
    local log = server:log()
    local _, count = log:gsub("the shared dict does not take tiny/1: no memory; others that it does not take", "")
    assert.are.equal(1, count, log)
    assert.is_nil(log:find("tiny/2", 1, true), log)
  end)

  it("does not stop the worker in a phase of TLS that cannot wait", function()
    local folder = certificates.make()
    finally(function()
      process.remove_folder(folder)
    end)
    local port = process.free_port()
    start("", {
      http = ([[
        ssl_certificate %s/server.pem;
        ssl_certificate_key %s/server.key;
        ssl_protocols TLSv1.2;
        ssl_session_tickets off;
        ssl_session_store_by_lua_block {
          stored = tostring(select(2, pcall(client.publish, client, "a", "b")))
          posted = client:post("a", "b") ~= nil
        }
      ]]):format(folder, folder),
      server = "listen 127.0.0.1:" .. port .. " ssl;",
      locations = { ["/stored"] = "ngx.say(tostring(stored), tostring(posted))" },
    })
    local pid = process.spawn({ "openssl", "s_client", "-connect", "127.0.0.1:" .. port }, folder .. "/said")
    process.wait(assert(pid), 5000)
    assert.are.equal("publish: nothing can wait in ssl_session_store_by_lua; use post, which does not wait, or "
      .. "ngx.timer.attrue", (server:answer("/stored"):gsub("^.-publish:", "publish:")))
  end)
end)
