-- Messages of all sizes through each kind of proxy.
local certificates = require "spec.support.certificates"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local proxies = require "spec.support.proxies"
local sizes = require "spec.support.sizes"

describe("a broker behind a proxy #broker", function()
  local folder

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  after_each(function()
    proxies.finish()
    mosquitto.finish()
  end)

  for _, kind in ipairs { "http", "https", "socks5h" } do
    it("takes and gives what is as large as nothing, and many MB, of eight clients at once, by " .. kind, function()
      local broker = mosquitto.start { quiet = true, lines = sizes.lines }
      local proxy = kind == "socks5h" and proxies.socks() or proxies.http()
      if kind == "https" then proxy = proxies.secure(proxy, folder) end
      sizes.exchange(function()
        return holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, transport = "native",
          proxy = ("%s://localhost:%d"):format(kind, proxy.port), inbox = sizes.room.inbox, queue = sizes.room.queue,
          tls = kind == "https" and { ca = folder .. "/ca.pem" } or nil }
      end)
    end)
  end
end)
