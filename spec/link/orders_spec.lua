-- A broker, a proxy in front of it and the name server of both: a network namespace has six brokers, by ws and wss, and
-- behind each kind of proxy.
local named = require "spec.support.named"

describe("whatever of a broker, a proxy and a name server is killed, in each order #broker", function()
  it("is named, in its phase, the client is ready again when it is back, and nothing is lost", function()
    local said, why = named.run "spec/support/orders_child.lua"
    if not said then
      pending(why)
      return
    end
    assert.are.equal("all is well\n", said)
  end)
end)
