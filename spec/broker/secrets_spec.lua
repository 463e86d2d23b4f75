-- User names, passwords, pass phrases and keys: nothing that a program can be shown has them in it, and the memory that
-- this library kept them in is wiped before it is given back.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local proxies = require "spec.support.proxies"
local schema = require "holdfast.schema"
local transport = require "spec.support.transport"

local SECRET = "hunter2-the-secret"

local function problem(options)
  local fine, words = pcall(holdfast.new, options)
  assert.is_false(fine)
  return words
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

describe("a secret in an option", function()
  it("is in no complaint about it", function()
    local tried = 0
    for _, row in ipairs(schema) do
      if row.secret then
        local group, key = row.name:match "^(%w+)%.(.+)$"
        for _, value in ipairs { SECRET .. "\0", SECRET .. "\255", SECRET:rep(5000), { SECRET }, SECRET:rep(2), 7 } do
          local options = { server = "mqtts://localhost", tls = {} }
          if group == "auth" then
            options.transport, options.auth = "native", { method = "SCRAM-SHA-256", username = "u", password = "p" }
          end
          if group then
            options[group][key] = value
          else
            options[row.name] = value
          end
          local fine, words = pcall(holdfast.new, options)
          if fine then
            words:close()
          else
            tried = tried + 1
            assert.is_nil(words:find(SECRET, 1, true), words)
            assert.is_truthy(words:find(row.name, 1, true) or words:find(key or row.name, 1, true), words)
          end
        end
      end
    end
    assert.is_true(tried >= 20, tostring(tried))
  end)

  it("is in no complaint about an address", function()
    for _, uri in ipairs { "mqtt://user:%s@host", "mqtt://%s@host", "mqtts://user:%s@host:99999", "user:%s@host",
      "%s@host", "foo://user:%s@host", "mqtt://user:%s@@host", "ws://user:%s@host/%s@", "mqtt://u ser:%s@host",
      "mqtt:user:%s@host", "mqtt:/user:%s@host" } do
      local address = uri:gsub("%%s", SECRET)
      assert.is_nil(problem({ server = address }):find(SECRET, 1, true), problem { server = address })
      assert.is_nil(problem({ servers = { "mqtt://a", address } }):find(SECRET, 1, true))
    end
  end)

  it("is not shown by what goes against another option", function()
    local with = { username = SECRET, password = SECRET, tls = { key_password = SECRET, psk_key = "abcd" } }
    for name, value in pairs { keep_alive = "x", credentials = 1, protocol = 7, servers = {}, unknown = 1,
      will = 1, policy = 1, backoff = "x", queue = { messages = -1 }, tls = "x", fallback = 1 } do
      local options = { server = "mqtts://localhost" }
      for key, secret in pairs(with) do options[key] = secret end
      options[name] = value
      assert.is_nil(problem(options):find(SECRET, 1, true))
    end
  end)
end)

describe("a secret #broker", function()
  local folder

  setup(function() folder = certificates.make() end)

  teardown(function() process.remove_folder(folder) end)

  after_each(function()
    proxies.finish()
    mosquitto.finish()
  end)

  local function command(words)
    local how, status = process.wait(assert(process.spawn(words, folder .. "/log")), 20000)
    assert(how == "exited" and status == 0, table.concat(words, " ") .. ":\n" .. read(folder .. "/log"))
  end

  local function probe_path()
    for template in package.cpath:gmatch "[^;]+" do
      local path = template:gsub("%?", "secrets_probe")
      if read(path) ~= "" then return path end
    end
  end

  local function plain(name, test)
    if os.getenv "HOLDFAST_SANITIZE" then
      pending(name .. " (a sanitizer has a `free` of its own)")
    else
      it(name, test)
    end
  end

  plain("is shown nowhere, not even in Paho's trace, and is wiped after use", function()
    local passwords, keys = folder .. "/passwords", folder .. "/keys"
    assert(io.open(passwords, "w")):close()
    command { "mosquitto_passwd", "-b", passwords, "planted-user", "planted-password" }
    command { "openssl", "pkey", "-in", folder .. "/client.key", "-passin", "pass:secret", "-aes256", "-passout",
      "pass:planted-phrase", "-out", folder .. "/locked" }
    assert(os.rename(folder .. "/locked", folder .. "/client.key"))
    local file = assert(io.open(keys, "w"))
    file:write("planted-identity:", ("planted-key-of-16"):gsub(".", function(byte)
      return ("%02x"):format(byte:byte())
    end), "\n")
    file:close()

    local who = { "allow_anonymous false", "password_file " .. passwords }
    local secure, keyed = process.free_port(), process.free_port()
    local broker = mosquitto.start { authenticated = true, lines = { who[1], who[2],
      "listener " .. secure .. " 127.0.0.1", "cafile " .. folder .. "/ca.pem", "certfile " .. folder .. "/server.pem",
      "keyfile " .. folder .. "/server.key", "require_certificate true",
      "listener " .. keyed .. " 127.0.0.1", "psk_hint holdfast", "psk_file " .. keys } }
    local framed = mosquitto.start { authenticated = true, websocket = true, lines = who }
    local login = { "planted", "planted-proxy" }
    local http, socks = proxies.http { login = login }, proxies.socks { login = login }

    local found = folder .. "/found"
    local child = assert(process.spawn({ "env", "LD_PRELOAD=" .. assert(probe_path()), "PLANTED=planted-",
      "FOUND=" .. found, os.getenv "LUA" or arg[-1], "spec/support/secrets_child.lua",
      "mqtt://127.0.0.1:" .. broker.port, "mqtts://127.0.0.1:" .. secure, "mqtts://127.0.0.1:" .. keyed, folder,
      "ws://127.0.0.1:" .. framed.port .. "/", tostring(http.port), tostring(socks.port) },
      folder .. "/child"))
    local how, status = process.wait(child, 120000)
    local said = read(folder .. "/child")
    assert.same({ "exited", 0 }, { how, status }, said)
    local length = transport.either { paho = "length of a payload", native = "no length" }
    assert.equal("traced\n" .. length .. "\nno payload\n", said)
    local given_back = read(found)
    assert.is_nil(given_back:find("core.so", 1, true), given_back)
    if transport.name() == "paho" then -- whose copies are its own
      assert.is_truthy(given_back:find("paho", 1, true), "the probe sees nothing")
    end
  end)
end)
