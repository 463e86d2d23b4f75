-- A certificate that was not valid by a clock that was wrong: once that is set, nginx's worker is back at once. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local certificates = require "spec.support.certificates"
local files = require "spec.support.files"
local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"
local process = require "process_probe"

local WORKER = [[
  failed = {}
  client = assert(require "resty.holdfast":new {
    server = "mqtts://127.0.0.1:PORT", client_id = "clock-$worker", transport = "TRANSPORT", tls = { ca = "CA" },
    policy = { slow = { strategy = "constant", min = 3600, max = 3600, jitter = "none" } },
  })
  client:on("failed", function(event) failed[#failed + 1] = event.reason.name end)
  client:start()
]]

local LOCATIONS = { ["/state"] = [[ngx.say(client:status().state, " ", table.concat(failed, " "))]] }

describe("a clock that is set #broker", function()
  local folder

  setup(function()
    folder = certificates.make()
  end)

  teardown(function()
    process.remove_folder(folder)
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  local function lines(port, certificate)
    return { "listener " .. port .. " 127.0.0.1", "cafile " .. folder .. "/ca.pem",
      "certfile " .. folder .. "/" .. certificate .. ".pem", "keyfile " .. folder .. "/" .. certificate .. ".key" }
  end

  for _, transport in ipairs { "paho", "native" } do
    it("is reason enough for an attempt before its time: " .. transport, function()
      local port = process.free_port()
      local broker = mosquitto.start { lines = lines(port, "expired") }
      local set = folder .. "/set-" .. transport
      local words = { PORT = tostring(port), TRANSPORT = transport, CA = folder .. "/ca.pem" }
      local server = nginx.start {
        init_worker = WORKER:gsub("%u%u+", words), locations = LOCATIONS,
        environment = {
          "LD_PRELOAD=" .. assert(package.searchpath("set_clock_probe", package.cpath)), "SET_CLOCK_PROBE=" .. set,
        },
      }
      server:eventually("/state", "^waiting tls_expired$")
      broker:restart(lines(port, "server"))
      files.write(set, "")
      server:eventually("/state", "^connected tls_expired$")
    end)
  end
end)
