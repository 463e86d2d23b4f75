-- examples/openresty, started as it stands but for its addresses and folders, and a shorter patience. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local tree = require "spec.support.tree"

describe("examples/openresty #broker", function()
  local broker, server

  local function begin(broker_port)
    local root = tree.command("pwd -P")[1]
    server = nginx.run(function(port, folder)
      local file = assert(io.open(folder .. "/gateway.lua", "w"))
      local code, addresses = tree.read("examples/openresty/gateway.lua"):gsub("mqtt://localhost",
        "mqtt://127.0.0.1:" .. broker_port)
      local times
      code, times = code:gsub("set_timeouts%(nil, 5000%)", "set_timeouts(nil, 1000)")
      assert(addresses == 1 and times == 1)
      file:write(code)
      file:close()
      local text, count = tree.read("examples/openresty/nginx.conf"):gsub("127%.0%.0%.1:8080", "127.0.0.1:" .. port)
      assert(count == 1)
      text, count = text:gsub("%$prefix/%.%./%.%./", (root:gsub("%%", "%%%%")) .. "/")
      assert(count == 3)
      text, count = text:gsub("/tmp/holdfast%-gateway", folder .. "/gateway")
      assert(count == 6)
      return text
    end, nginx.is_root() and { "-g", "user root;" } or {})
  end

  setup(function()
    broker = mosquitto.start()
    begin(broker.port)
  end)

  teardown(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function eventually(path, pattern)
    local deadline = process.now() + 10000
    local _, body
    repeat
      _, body = server:get(path)
      if body:find(pattern) then
        return body
      end
      process.sleep(10)
    until process.now() > deadline
    error(path .. " never said " .. pattern .. " but " .. body .. "\n" .. server:output(), 2)
  end

  it("publishes what is posted and shows the newest", function()
    eventually("/status", "^gateway%-0%-%d+ is connected, 0 published\n$")
    eventually("/status", "^gateway%-1%-%d+ is connected, 0 published\n$")
    assert.are.same({ 404, "nothing yet\n" }, { server:get "/meters/kitchen/power" })
    assert.are.same({ 200, "published\n" }, { server:get("/meters/kitchen/power", nil, "42") })
    eventually("/meters/kitchen/power", "^42\n$")
    assert.are.equal(404, (server:get("/meters/%2B", nil, "42")))
    server:expect 'open%(%) "[^"]*/meters/%+" failed'
  end)

  it("publishes a body that nginx has put into a file, and an empty one", function()
    local large = ("0123456789"):rep(9000)
    assert.are.same({ 200, "published\n" }, { server:get("/meters/kitchen/power", nil, large) })
    eventually("/meters/kitchen/power", "^" .. large .. "\n$")
    server:expect "an? client request body is buffered to a temporary file"
    assert.are.same({ 200, "published\n" }, { server:get("/meters/kitchen/power", nil, "") })
    eventually("/meters/kitchen/power", "^nothing yet\n$")
  end)

  it("shows the metrics of both workers", function()
    for worker = 0, 1 do
      eventually("/metrics", ('\nholdfast_client_ready{client="gateway%%-%d%%-%%d+",worker="%d"} 1\n'):format(worker,
        worker))
    end
  end)

  it("asks another service, which is this one here, and hands its answer on", function()
    assert.are.equal(200, (server:get("/meters/hall/power", nil, "77")))
    eventually("/meters/hall/power", "^77\n$")
    assert.are.same({ 200, "77\n" }, { server:get("/ask/meters", nil, "meters/hall/power") })
    assert.are.same({ 200, "nothing yet\n" }, { server:get("/ask/meters", nil, "meters/attic/power") })
  end)

  it("answers 503 when the broker stays away, and goes on when it is back", function()
    broker:kill()
    local before = process.now()
    local status, body = server:get("/meters/kitchen/power", nil, "43")
    assert.are.same({ 503, "timeout: not delivered within 1 s\n" }, { status, body })
    assert.is_true(process.now() - before >= 1000)
    broker:restart()
    for worker = 0, 1 do -- whose next attempt may be further away than a request waits here
      eventually("/status", ("^gateway%%-%d%%-%%d+ is connected"):format(worker))
    end
    assert.are.same({ 200, "published\n" }, { server:get("/meters/kitchen/power", nil, "44") })
    eventually("/meters/kitchen/power", "^44\n$")
    assert.is_truthy(server:output():find "lost: connection_lost, again in %d%.%d s", server:output())
  end)

  it("answers 503 and says why when its clients give up", function()
    nginx.finish()
    local refusing = scripted.listen()
    finally(function() refusing:close() end)
    begin(refusing.port)
    for _ = 1, 2 do -- one a worker
      local client = refusing:accept(10000)
      client:expect "connect"
      client:connack()
      client:disconnect(0x8C)
    end
    eventually("/status", "^gateway%-0%-%d+ is sleeping, 0 published\n$")
    eventually("/status", "^gateway%-1%-%d+ is sleeping, 0 published\n$")
    local status, body = server:get("/meters/kitchen/power", nil, "45")
    assert.are.same({ 503, "timeout: not delivered within 1 s\n" }, { status, body })
    local _, told = server:output():gsub("lost: bad_authentication_method, asleep until woken", "")
    assert.are.equal(2, told, server:output())
  end)

  it("has at most 60 lines a file", function()
    for _, name in ipairs { "nginx.conf", "gateway.lua" } do
      local _, lines = tree.read("examples/openresty/" .. name):gsub("\n", "")
      assert.is_true(lines <= 60, name)
    end
  end)
end)
