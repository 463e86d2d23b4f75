-- A service that is found by its name: a name server of the spec's own, in a network namespace, and two brokers.
local named = require "spec.support.named"

describe("a service #broker", function()
  it("is found, its brokers and its name server killed and back in each order, and nothing is lost", function()
    local said, why = named.run "spec/support/finding_child.lua"
    if not said then
      pending(why)
      return
    end
    assert.are.same({
      "connected to mqtt+srv://home.example",
      "the second broker\t0",
      "without a name server\t0",
      "without either\tname_server_failing dns",
      "the name server is back\tconnection_refused tcp",
      "and the broker\t0",
      "without a broker\tconnection_refused tcp",
      "without either\tname_server_failing dns",
      "the broker is back\tname_server_failing dns",
      "and the name server\t0",
      "the proxy\tCONNECT b.example:first",
      "nobody knows\tname_not_found dns",
      "the service's certificate\ttrue",
      "another one's\ttls_hostname tls",
      "",
    }, { said:match(("([^\n]*)\n"):rep(14) .. "(.*)") }, said)
  end)
end)
