-- QUIC and TLS over TCP of one host: which of them an attempt begins with, by what became of the ones before.
local virtual = require "spec.support.virtual"

local probe = virtual.probe
local TEN_MINUTES = 600

describe("an attempt by two roads", function()
  local world, client

  before_each(function()
    world = virtual.new()
    local quic, tcp = virtual.server "b", virtual.server "b"
    quic.road, quic.tls, quic.text = "quic", true, "quic://b"
    tcp.port, tcp.tls, tcp.text = 8883, true, "mqtts://b"
    client = world:client { servers = { quic, tcp }, transport = "native" }
  end)
  after_each(function()
    probe.script { quic = "none" }
    client:network_changed() -- so that nothing is remembered
    world:finish()
  end)

  -- The road that it begins with.
  local function next_road(quic)
    probe.script { quic = quic }
    client:reconnect()
    world:pass(0)
    local asked = table.concat(world:asked(), "\n")
    assert.matches("open b:1883 .* beside=8883", asked)
    return asked:find(" first", 1, true) and "tcp" or "quic"
  end

  it("begins with QUIC, and for ten minutes with TCP where nothing came back by QUIC", function()
    client:start()
    world:pass(1)
    assert.equal("quic", next_road "slower")
    assert.equal("quic", next_road "unheard")
    assert.equal("tcp", next_road "slower")
    world:pass(TEN_MINUTES - 1)
    assert.equal("tcp", next_road "slower")
    world:pass(1)
    assert.equal("quic", next_road "none")
  end)

  it("learns nothing of QUIC that began after TCP and was not heard when that was there", function()
    client:start()
    assert.equal("quic", next_road "unheard")
    for _ = 1, 5 do
      world:pass(TEN_MINUTES / 6)
      assert.equal("tcp", next_road "unheard")
    end
    world:pass(TEN_MINUTES / 6)
    assert.equal("quic", next_road "none")
  end)

  it("has ten minutes more where QUIC was refused meanwhile", function()
    client:start()
    assert.equal("quic", next_road "unheard")
    world:pass(TEN_MINUTES - 1)
    assert.equal("tcp", next_road "refused")
    world:pass(TEN_MINUTES - 1)
    assert.equal("tcp", next_road "none")
    world:pass(1)
    assert.equal("quic", next_road "none")
  end)
end)
