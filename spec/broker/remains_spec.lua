-- What a core dump of a connected process has not in it: what was computed or written from a secret to let it in. (The
-- secrets themselves are kept, for the next attempt, and Lua has copies of its own.)
local process = require "process_probe"
local proxies = require "spec.support.proxies"
local scram = require "scram_probe"
local scripted = require "spec.support.scripted_broker"
local tree = require "spec.support.tree"

local SALT, HEX_SALT = "W22ZaJ0SNY7soEsUEjb6gQ==", "5b6d99689d12358eeca04b141236fa81"
local CHILD = [[
local holdfast = require "holdfast"
local client = holdfast.new { server = "mqtt://127.0.0.1:" .. arg[1], proxy = arg[2], transport = "native",
  client_id = "which-may-be-found", auth = { method = "SCRAM-SHA-256", username = "user", password = "pencil-of-9" } }
holdfast.run(function()
  assert(client:connect(60))
  print "up"
  io.stdout:flush()
  holdfast.sleep(120)
end)
]]

describe("the memory of a connected process #broker", function()
  local broker, folder, child, peer

  before_each(function()
    broker, folder = scripted.listen(), process.temporary_folder()
  end)

  after_each(function()
    if child then
      process.kill(child, "KILL")
      process.wait(child, 5000)
    end
    if peer then peer:close() end
    broker:close()
    proxies.finish()
    process.remove_folder(folder)
  end)

  local function bytes_of(command)
    local lines = tree.command(command)
    return (table.concat(lines):gsub("[: ]", ""):gsub("%x%x", function(byte)
      return string.char(tonumber(byte, 16))
    end))
  end

  -- How often each of them is in what the process may write to.
  local function search(needles)
    local memory, found = assert(io.open(("/proc/%d/mem"):format(child), "rb")), {}
    for name in pairs(needles) do found[name] = 0 end
    memory:setvbuf "no"
    for line in io.lines(("/proc/%d/maps"):format(child)) do
      local from, to = line:match "^(%x+)%-(%x+) rw"
      local first, last = tonumber(from or "0", 16), tonumber(to or "0", 16)
      local bytes = from and memory:seek("set", first) and memory:read(last - first)
      for name, needle in pairs(bytes and needles or {}) do
        local at = 0
        repeat
          at = bytes:find(needle, at + 1, true)
          found[name] = found[name] + (at and 1 or 0)
        until not at
      end
    end
    memory:close()
    return found
  end

  it("has neither the keys of SCRAM nor a proxy's login as it went out", function()
    if os.getenv "HOLDFAST_SANITIZE" then
      pending "a sanitizer keeps what has been freed"
      return
    end
    local http = proxies.http { login = { "user", "proxy-secret-of-22" }, ports = { broker.port } }
    local file = assert(io.open(folder .. "/child.lua", "w"))
    file:write(CHILD)
    file:close()
    child = assert(process.spawn({ os.getenv "LUA", folder .. "/child.lua", tostring(broker.port),
      "http://user:proxy-secret-of-22@127.0.0.1:" .. http.port }, folder .. "/said"))
    peer = broker:accept(20000)
    local nonce = peer:expect("connect", 20000).properties:match "n,,n=user,r=([%w+/]+)"
    local function words(data) return scripted.text(21, "SCRAM-SHA-256") .. scripted.text(22, data) end
    local second = "r=" .. nonce .. "server,s=" .. SALT .. ",i=4096"
    local _, last = scram.prove("SCRAM-SHA-256", "user", "pencil-of-9", nonce, second)
    peer:auth(0x18, words(second))
    peer:expect("auth", 20000)
    peer:connack { properties = { words(last) } }
    local deadline = process.now() + 20000
    while tree.read(folder .. "/said") ~= "up\n" do
      assert(process.now() < deadline, tree.read(folder .. "/said"))
      process.sleep(10)
    end
    local function hmac(key, text)
      local hex = key:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
      return bytes_of(("printf %%s '%s' | openssl dgst -sha256 -mac hmac -macopt hexkey:%s | sed 's/.*= *//'"):format(
        text, hex))
    end
    local salted = bytes_of("openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:pencil-of-9 -kdfopt hexsalt:"
      .. HEX_SALT .. " -kdfopt iter:4096 PBKDF2")
    assert.equal(32, #salted)
    local client_key = hmac(salted, "Client Key")
    assert.equal(32, #client_key)
    local found = search { id = "which-may-be-found", salted = salted, client = client_key,
      server = hmac(salted, "Server Key"), login = "dXNlcjpwcm94eS1zZWNyZXQtb2YtMjI=" }
    assert.is_true(found.id > 0)
    found.id = nil
    assert.same({ salted = 0, client = 0, server = 0, login = 0 }, found)
  end)
end)
