-- A descriptor that is not to be had, the n-th that a client asks for, for every n through its life, or any from the
-- n-th on for a while: it is back as soon as there are some, with all that was posted, and nothing is left open.
local certificates = require "spec.support.certificates"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local shim = require "spec.support.shim"

local BOTH = [[
local folder, port, transport, from, way, wanted = ...
local drought = require "drought_probe"
local holdfast = require "holdfast"
local loops = require "loop_probe"
local process = require "process_probe"
holdfast.log(function() end)
require "holdfast.whole" -- Lua itself opens nothing from here on

local BACKOFF = { strategy = "constant", min = 0.02, jitter = "none" }

local function end_drought()
  local failed = drought.failed()
  drought.leave()
  drought.fail(0)
  return failed
end

-- One that is made, at the second try at the latest, and whether that was the first.
local function sure(options)
  local fine, client = pcall(holdfast.new, options)
  if fine and client then return client, true end
  local failed = end_drought()
  return assert(holdfast.new(options)), false, failed
end

local function await(client, condition)
  local began = process.now()
  while not condition() do
    if process.now() - began > 20000 then
      local reason = client:status().reason
      print("not back", reason and reason.name, reason and reason.text)
      os.exit(1)
    end
    holdfast.sleep(0.002)
  end
end

-- Posts, with a connection more in between; answers how many calls for a descriptor have failed.
local function live(options)
  local client, at_once, failed = sure(options)
  local heard, waiting = {}, 0
  client:subscribe(options.client_id, { qos = 1 }, function(message)
    if not heard[message.payload] then waiting = waiting - 1 end
    heard[message.payload] = true
  end)
  local function post(payload)
    if client:post(options.client_id, payload, { qos = 1 }) then waiting = waiting + 1 end
  end
  local function is_back() return waiting == 0 and client:status().ready end
  local failures = 0
  client:on("failed", function() failures = failures + 1 end)
  client:start()
  post "a"
  if at_once then
    await(client, function() return failures > 0 or is_back() end)
    if failures == 0 or way == "once" then
      await(client, is_back)
      client:reconnect()
      post "b"
      await(client, function() return failures > 0 or is_back() end)
    end
    failed = end_drought()
  end
  post "c"
  await(client, is_back)
  return client, failed
end
]]

local LIFE = BOTH .. [[
local function life(point)
  local client, failed = live {
    server = "mqtts://localhost:" .. port, transport = transport, client_id = way .. transport .. point,
    tls = { ca = from .. "/ca.pem", cert = from .. "/rsa.pem", key = from .. "/rsa.key" },
    queue = { store = folder .. "/store" .. point }, backoff = BACKOFF,
  }
  client:close(5)
  client = nil
  collectgarbage()
  collectgarbage()
  return failed
end

holdfast.run(function()
  life(0) -- the keeper is there
  local before, point = (loops.descriptors()), 0
  repeat
    point = point + 1
    drought.fail(point, way == "once" and 1 or 1e6)
    local failed = life(point)
    for _ = 1, 1000 do -- what has been closed is so once the keeper comes to it
      if loops.descriptors() == before then break end
      process.sleep(2)
    end
    if loops.descriptors() ~= before then print("open", point, before, (loops.descriptors())) end
  until failed == 0
  print(point > 15 and "all" or point)
end)
]]

local BIRTH = BOTH .. [[
holdfast.run(function()
  drought.leave(tonumber(way))
  local client = live {
    server = "mqtts://localhost:" .. port, transport = transport, client_id = way .. transport,
    tls = { ca = from .. "/cas" }, backoff = BACKOFF,
  }
  holdfast.sleep(1.1) -- what it would like to have is asked for again then, and what an attempt needs at the next one
  for _ = 1, 100 do
    if not wanted or loops.descriptors() == tonumber(wanted) then break end
    client:reconnect()
    client:wait("ready", 10)
    holdfast.sleep(0.01)
  end
  print((loops.descriptors()))
  client:close()
end)
]]

describe("descriptors that are short now and then #broker", function()
  local from, broker

  setup(function() from = certificates.make() end)
  teardown(function() process.remove_folder(from) end)
  before_each(function()
    broker = mosquitto.start { lines = { "cafile " .. from .. "/ca.pem", "certfile " .. from .. "/server.pem",
      "keyfile " .. from .. "/server.key" } }
  end)
  after_each(mosquitto.finish)

  local function start(code, transport, ...)
    return shim.start("drought_probe", code, tostring(broker.port), transport, from, ...)
  end

  local function finish(started)
    local said = {}
    for name, one in pairs(started) do
      said[name] = shim.finish(one)
    end
    return said
  end

  local function is_sanitized()
    if os.getenv "HOLDFAST_SANITIZE" then
      pending "a sanitizer stands before the C library, too"
      return true
    end
  end

  it("cost attempts and nothing else, through a whole life", function()
    if is_sanitized() then return end
    local lives = {}
    for _, transport in ipairs { "paho", "native" } do
      for _, way in ipairs { "once", "for a while" } do
        lives[transport .. " " .. way] = start(LIFE, transport, way)
      end
    end
    assert.same({ ["paho once"] = "all\n", ["paho for a while"] = "all\n", ["native once"] = "all\n",
      ["native for a while"] = "all\n" }, finish(lives))
  end)

  it("let the first client of a process begin, too", function()
    if is_sanitized() then return end
    local enough = finish { paho = start(BIRTH, "paho", "100"), native = start(BIRTH, "native", "100") }
    local births, all = {}, {}
    for transport, wanted in pairs(enough) do
      for count = 0, 7 do
        local name = transport .. count
        births[name], all[name] = start(BIRTH, transport, tostring(count), wanted), wanted
      end
    end
    assert.same(all, finish(births))
  end)
end)
