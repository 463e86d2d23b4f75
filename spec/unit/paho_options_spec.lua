-- What a client over Paho is told that it cannot have. Of `tls` tls_options_spec tells, of QUIC join_spec, of
-- `acknowledge` handled_spec.
local options = require "holdfast.options"

describe("options that Paho does not take", function()
  local CASES = {
    { { server = print }, "server is a function, which only the native transport asks" },
    { { server = "mqtt+srv://x" }, "server is the name of a service, which Paho does not go by" },
    { { server = "unix:///run/broker.sock" }, "server is a unix socket, which Paho does not go by" },
    { { server = "wss://x/mqtt" }, "server is a WebSocket, which Paho does not go by" },
    { { servers = { "a", "unix:///b" } }, "servers in place 2 is a unix socket, which Paho does not go by" },
    { { server = "mqtt://x", inspect = true }, "inspect: Paho shows no steps" },
    { { server = "mqtt://x", proxy = "http://p" },
      "proxy: Paho stops every client of the process while it waits for one" },
  }
  for _, case in ipairs(CASES) do
    it("are refused: " .. case[2], function()
      local given = case[1]
      assert(options.check(given))
      given.transport = "paho"
      local values, problem = options.check(given)
      assert.is_nil(values)
      assert.equal(case[2] .. '; say transport = "native"', problem)
    end)
  end
end)
