-- What is remembered of a server whose QUIC was not there.
local roads = require "roads_probe"

local TEN_MINUTES = 600000

describe("a road that was blocked", function()
  before_each(roads.forget)

  it("is remembered by host and port for ten minutes, from the last time on", function()
    roads.note("broker.example", 14567, 1000)
    assert.is_true(roads.blocked("Broker.Example", 14567, 1000))
    assert.is_false(roads.blocked("broker.example", 14568, 1000))
    assert.is_false(roads.blocked("broker.exampl", 14567, 1000))
    assert.is_true(roads.blocked("broker.example", 14567, 1000 + TEN_MINUTES - 1))
    assert.is_false(roads.blocked("broker.example", 14567, 1000 + TEN_MINUTES))
    roads.note("broker.example", 14567, 5000)
    assert.is_true(roads.blocked("broker.example", 14567, 5000 + TEN_MINUTES - 1))
  end)

  it("is forgotten where it has worked, and all are where the network may be another one", function()
    roads.note("one", 1, 0)
    roads.note("two", 2, 0)
    roads.clear("one", 1)
    roads.clear("three", 3)
    assert.are.same({ false, true }, { roads.blocked("one", 1, 1), roads.blocked("two", 2, 1) })
    roads.forget()
    assert.is_false(roads.blocked("two", 2, 1))
  end)

  it("gives its place to the next where there are more than 32: the oldest does", function()
    for number = 1, 40 do roads.note("host" .. number, number, number) end
    for number = 1, 40 do assert.are.equal(number > 8, roads.blocked("host" .. number, number, 50)) end
    roads.note("host9", 9, 60) -- it is not the oldest any more
    roads.note("another", 1, 61)
    assert.are.same({ true, false }, { roads.blocked("host9", 9, 62), roads.blocked("host10", 10, 62) })
  end)
end)
