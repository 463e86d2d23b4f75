-- Libraries are loaded by the clients that need them, and one that is missing is named.
local files = require "spec.support.files"
local process = require "process_probe"
local shim = require "spec.support.shim"

local LIBRARIES = { "libssl", "libcrypto", "libsqlite3", "libpaho" }

-- Which of them are mapped, and what the makings of four clients come to.
local CODE = [[
  local holdfast = require "holdfast"
  local folder, gone = ...
  if gone then
    require "library_probe".gone(gone)
  end
  local function mapped()
    local file = assert(io.open "/proc/self/maps")
    local maps = file:read "*a"
    file:close()
    local found = {}
    for _, name in ipairs { %s } do
      found[#found + 1] = maps:find(name, 1, true) and name
    end
    return #found == 0 and "nothing" or table.concat(found, " ")
  end
  local function make(what, server, options)
    options.server, options.client_id = server, what
    local client, message, code = holdfast.new(options)
    print(what .. ": " .. (client and mapped() or code .. ": " .. message))
    if client then
      client:start()
      client:close()
    end
  end
  make("plain", "mqtt://127.0.0.1:1", { transport = "native" })
  make("store", "mqtt://127.0.0.1:1", { transport = "native", queue = { store = folder .. "/store" } })
  make("tls", "mqtts://127.0.0.1:1", { transport = "native" })
  make("paho", "mqtt://127.0.0.1:1", { transport = "paho" })
]]

local function run(gone)
  local said = shim.run("library_probe", CODE:format('"' .. table.concat(LIBRARIES, '", "') .. '"'), gone)
  local lines = {}
  for what, line in said:gmatch "(%w+): ([^\n]*)" do
    lines[what] = line
  end
  return lines, said
end

describe("libraries", function()
  it("are loaded by those who need them", function()
    local lines, said = run()
    assert.equal("nothing", lines.plain, said)
    assert.equal("libsqlite3", lines.store)
    assert.equal("libssl libcrypto libsqlite3", lines.tls)
    assert.equal("libssl libcrypto libsqlite3 libpaho", lines.paho)
  end)

  for what, library in pairs { store = "libsqlite3", tls = "libssl", paho = "libpaho" } do
    it("that are missing are named by who needs them, " .. library, function()
      local lines, said = run(library)
      assert.matches("^no_library: .*" .. library .. ".*%.gone: cannot open shared object file", lines[what], said)
      assert.equal("nothing", lines.plain)
      local others = 0
      for _, line in pairs(lines) do
        others = others + (line:find "no_library" and 0 or 1)
      end
      assert.equal(library == "libssl" and 2 or 3, others, said) -- Paho needs OpenSSL, too
    end)
  end

  -- Whoever gets OpenSSL ready reads its configuration, here from a FIFO that nobody writes to.
  it("are loaded with OpenSSL by Paho, which has it get nothing ready where there is no TLS", function()
    local folder = assert(process.temporary_folder())
    files.write(folder .. "/code.lua", [[
      local holdfast = require "holdfast"
      local client = holdfast.new { server = "mqtt://127.0.0.1:1", transport = "paho" }
      client:start()
      holdfast.run(function()
        print(client:wait("failed", 30).reason.name, client:close())
      end)
    ]])
    local words = "mkfifo %s/conf && OPENSSL_CONF=%s/conf timeout 40 %s %s/code.lua 2>&1"
    local pipe = io.popen(words:format(folder, folder, os.getenv "LUA", folder))
    local said = pipe:read "*a"
    pipe:close()
    process.remove_folder(folder)
    assert.equal("connect_failed\ttrue\n", said)
  end)
end)
