-- Where resty.holdfast may be used and where it says what to do instead, its options, its timeouts. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"

local INIT = [[
  local holdfast = require "resty.holdfast" -- loading it here is fine
  refused = { select(2, holdfast:new { server = "mqtt://127.0.0.1" }) }
  local plain = require "holdfast"
  refused_plain = { plain.new { server = "mqtt://127.0.0.1" } }
  refused_plain_limit = { plain.limit { attempts_per_second = 1 } }
  refused_limit = { select(2, holdfast.limit { attempts_per_second = 1, dict = "attempts" }) }
]]

local WORKER = [[
  holdfast = require "resty.holdfast"
  client = assert(holdfast:new { server = "mqtt://127.0.0.1:PORT" })
  read = client:subscribe("read", { qos = 1 })
  quiet = client:subscribe "quiet"
  in_init_worker = tostring(select(2, pcall(client.connect, client)))
  client:start()
]]

-- What a chunk answers, a line a value; what it throws likewise.
local ASK = [[
  ngx.req.read_body()
  local answers = { pcall(assert(loadstring("return " .. ngx.unescape_uri(ngx.var.arg_code), "=code"))) }
  for index = 2, table.maxn(answers) do
    ngx.say(tostring(answers[index]))
  end
]]

local SERVER = [[
  location = /log {
    content_by_lua_block { ngx.say "logged" }
    log_by_lua_block {
      logged = tostring(select(2, pcall(client.publish, client, "log", "waits")))
      slept = tostring(select(2, pcall(require("holdfast").sleep, 0.01)))
      posted = client:post("read", "from log", { qos = 1 })
    }
  }
]]

describe("resty.holdfast #broker", function()
  local server, broker

  setup(function()
    broker = mosquitto.start()
    server = nginx.start {
      workers = 2, init = INIT, init_worker = WORKER:gsub("PORT", tostring(broker.port)),
      http = "lua_shared_dict attempts 64k;", server = SERVER, locations = { ["/ask"] = ASK },
    }
  end)

  teardown(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function ask(code)
    local escaped = code:gsub("PORT", tostring(broker.port)):gsub("[^%w]", function(byte)
      return ("%%%02x"):format(byte:byte())
    end)
    local status, body = server:get("/ask?code=" .. escaped)
    assert.are.equal(200, status, tostring(body) .. server:log())
    return (body:gsub("\n$", ""))
  end

  it("says in the master where to make clients", function()
    local words = "this is nginx's master, whose clients no worker could use; make them in init_worker_by_lua\nmaster"
    assert.are.equal(words, ask "unpack(refused)")
    assert.are.equal(words, ask "unpack(refused_limit)")
    assert.are.equal("nil\n" .. words, ask "unpack(refused_plain, 1, 3)")
    assert.are.equal("nil\n" .. words, ask "unpack(refused_plain_limit, 1, 3)")
    assert.are.equal("true", ask "(client:connect(10))")
  end)

  it("answers nil and what is wrong with options", function()
    assert.are.equal('nil\nunknown option "sever"; did you mean "server"?', ask 'holdfast:new { sever = "mqtt://a" }')
    local one = 'holdfast:new { server = "mqtt://a", client_id = "$worker", queue = { store = "/tmp/a" } }'
    assert.are.equal('nil\nqueue.store must have "$worker" in it, since each of the 2 workers needs its own, '
      .. 'got "/tmp/a"', ask(one))
    local pid = '%s must not have "$pid" in it when there is a queue.store, with which the next worker goes on, '
      .. 'got "%s"'
    assert.are.equal("nil\n" .. pid:format("client_id", "$worker-$pid"), ask
      'holdfast:new { server = "mqtt://a", client_id = "$worker-$pid", queue = { store = "/tmp/a$worker" } }')
    assert.are.equal("nil\n" .. pid:format("queue.store", "/tmp/$worker-$pid"), ask
      'holdfast:new { server = "mqtt://a", client_id = "$worker", queue = { store = "/tmp/$worker-$pid" } }')
    assert.are.equal("nil\nqueue must be a table, got true", ask 'holdfast:new { server = "mqtt://a", queue = true }')
    assert.are.equal("nil\noptions must be a table, got nothing", ask "holdfast:new()")
    assert.are.equal("nil\ncall it with a colon, holdfast:new { ... }", ask 'holdfast.new { server = "mqtt://a" }')
    assert.are.equal("nil\nattempts_per_second is missing", ask 'holdfast.limit { dict = "attempts" }')
    assert.are.equal("nil\ndict must be a shared dict of nginx; say `lua_shared_dict other 64k;` in its http block",
      ask 'holdfast.limit { attempts_per_second = 1, dict = "other" }')
  end)

  it("makes each worker's id its own", function()
    local pattern = "^%d%-a%-%d+%-b$"
    local code = 'holdfast:new { server = "mqtt://a", client_id = "$worker-a-$pid-b" }:status().client_id'
    assert.is_truthy(ask(code):find(pattern), ask(code))
  end)

  it("takes any id, and tells once that two workers have the same", function()
    local other = nginx.start { workers = 3, init_worker = [[
      local holdfast = require "resty.holdfast"
      clients = {
        assert(holdfast:new { server = "mqtt://a", client_id = "gw-" .. ngx.worker.id() }),
        assert(holdfast:new { server = "mqtt://a", client_id = "same" }),
        assert(holdfast:new { server = "mqtt://a", client_id = "same-$pid" }),
        assert(holdfast:new { server = "mqtt://b" .. ngx.worker.id(), client_id = "same" }),
        assert(holdfast:new { server = function() return "mqtt://c" end, client_id = "led",
          transport = "native" }),
      }
    ]] }
    local LED = 'has the client_id "led" and a function for its server, .- if both are led to one broker,'
    local function count(pattern)
      return select(2, other:log():gsub(pattern, ""))
    end
    local deadline = process.now() + 15000
    repeat
      process.sleep(50)
      assert(process.now() < deadline, other:log())
    until count 'has the client_id "same" at mqtt://a,' > 0 and count(LED) > 0
    assert.are.equal(2, count "has the client_id", other:log())
    other:reload(15000)
    process.sleep(7500)
    assert.are.equal(2, count 'has the client_id "same" at mqtt://a,', other:log()) -- and once after the reload
    assert.are.equal(2, count(LED), other:log())
    assert.are.equal(4, count "has the client_id", other:log())
  end)

  it("warns of a client for each request", function()
    local words = "10 clients have been made in requests of this worker, each with a connection until it is closed; "
      .. "make one in init_worker_by_lua for all of them"
    local _, before = server:log():gsub(words, "")
    ask 'ngx.timer.at(0, function() for _ = 1, 10 do holdfast:new { server = "mqtt://a" } end end)'
    ask '(function() for _ = 1, 12 do holdfast:new { server = "mqtt://a" } end end)()'
    process.sleep(50)
    local _, after = server:log():gsub(words, "")
    assert.are.same({ 0, 1 }, { before, after })
  end)

  it("has its library's version and parts", function()
    assert.are.equal(require("holdfast")._VERSION .. "\nslow", ask
      'holdfast._VERSION, holdfast.reason("connack", 0x89).class')
  end)

  it("says what to do where nginx cannot suspend, and does nothing then", function()
    assert.is_truthy(ask("in_init_worker"):find(
      "connect: nothing can wait in init_worker_by_lua; use start, which does not wait, or ngx.timer.at", 1, true))
    ask "client:connect(10)"
    local status = server:get "/log"
    assert.are.equal(200, status)
    local deadline = process.now() + 5000
    local words
    repeat
      words = ask "logged" -- in this worker or in the other one
    until words ~= "" and words ~= "nil" or process.now() > deadline
    assert.is_truthy(words:find(
      "publish: nothing can wait in log_by_lua; use post, which does not wait, or ngx.timer.at", 1, true), words)
    repeat
      words = ask "slept"
    until words ~= "" and words ~= "nil" or process.now() > deadline
    assert.is_truthy(words:find("nothing can wait in log_by_lua", 1, true), words)
    assert.are.equal("from log", ask "read:receive(5).payload")
  end)

  it("takes default times in milliseconds", function()
    assert.are.equal("nil\nnil\nno message within 0.05 s\ntimeout",
      ask "client:set_timeouts(nil, nil, 50), quiet:receive()")
    assert.are.equal("no message within 0.02 s", ask "(select(2, quiet:receive(0.02)))")
    assert.are.equal("nil\ntimeout", ask "client:set_timeouts(), (select(3, quiet:receive(0)))")
    for call, name in pairs {
      ["client.set_timeouts(5)"] = "client:set_timeouts", ["client.connect()"] = "client:connect",
      ['client.publish("a", "b")'] = "client:publish", ['client.subscribe "a"'] = "client:subscribe",
      ["quiet.receive(5)"] = "subscription:receive",
    } do
      assert.is_truthy(ask(call):find(("%s: call it with a colon: %s(...)"):format(name:match ":(.*)", name), 1, true))
    end
    assert.is_truthy(ask("client:set_timeouts(-1)"):find(
      "set_timeouts: connect must be a number of milliseconds from 0 to 4,294,967,295 or nil, got -1", 1, true))
    local waits = [[(function()
      local lonely = holdfast:new { server = "mqtt://127.0.0.1:1" }
      lonely:set_timeouts(60, 40)
      local _, connect = lonely:connect()
      local _, publish = lonely:publish("a", "b")
      local _, shorter = lonely:publish("a", "b", { timeout = 0.02 })
      lonely:close()
      return connect:match "^not ready within 0.06 s", publish, shorter
    end)()]]
    assert.are.equal("not ready within 0.06 s\nnot delivered within 0.04 s\nnot delivered within 0.02 s", ask(waits))
  end)

  it("takes defaults in seconds, and options behind a metatable", function()
    assert.are.equal("not ready within 0.06 s\nnot delivered within 0.04 s\nno message within 0.02 s", ask [[(function()
      local lonely = holdfast:new(setmetatable({ client_id = "lonely-$worker" }, {
        __index = { server = "mqtt://127.0.0.1:1", defaults = { publish = { timeout = 0.04 } } },
      }))
      lonely.defaults.connect, lonely.defaults.receive = { timeout = 0.06 }, { timeout = 0.02 }
      local _, connect = lonely:connect()
      local _, publish = lonely:publish("a", "b")
      local _, receive = lonely:subscribe("a"):receive()
      assert(lonely:status().client_id == "lonely-" .. ngx.worker.id())
      lonely:close()
      return connect:match "^not ready within 0.06 s", publish, receive
    end)()]])
  end)

  it("keeps one client for all who ask", function()
    local told = 'true\ntrue\ntrue\nfalse\nnil\nunknown option "sever"; did you mean "server"?'
    assert.are.equal(told, ask [[(function()
      local options = { server = "mqtt://127.0.0.1:PORT" }
      local first = assert(holdfast:kept(options))
      local ready, same = first:connect(5), first == holdfast:kept(options)
      first:close()
      local second = holdfast:kept(options)
      second:close()
      return ready, same, second ~= first, getmetatable(first) ~= getmetatable(second),
        holdfast:kept { sever = "mqtt://a" }
    end)()]])
  end)

  it("throws at the caller's line when a call is wrong", function()
    assert.are.equal('code:1: publish: topic must be a string, got nothing', ask "(client:publish())")
    assert.is_truthy(ask("(client:subscribe('a/#/b'))"):find("^code:1: subscribe: filter"))
    assert.is_truthy(ask("(client:connect(-1))"):find("^code:1: connect: timeout"))
  end)

  it("has an error in a handler in nginx's log, even when nobody listens any more", function()
    assert.are.equal("posted", ask [[(function()
      holdfast.log(nil)
      client:once("delivered", function() error "unheard" end)
      return client:post("unheard", "x") and "posted"
    end)()]])
    local deadline = process.now() + 5000
    repeat
      assert(process.now() < deadline, server:log())
      process.sleep(5)
    until server:log():find "%[error%][^\n]*holdfast: [^\n]*: unheard"
    server:expect ": unheard"
  end)
end)
