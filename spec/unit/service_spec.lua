-- The servers of a service: in which order they are tried (RFC 2782), and what a name server's answer says.
local service_probe = require "service_probe"

describe("the servers of a service", function()
  local function hosts(seed, ...)
    local list = {}
    for i, text in ipairs(service_probe.order(seed, ...)) do
      list[i] = text:match "(%S+):1$"
    end
    return table.concat(list, " ")
  end

  it("are tried by priority, whatever their weights", function()
    for seed = 1, 20 do
      assert.equal("a b c", hosts(seed, { 20, 65535, "c" }, { 1, 0, "a" }, { 10, 1, "b" }))
    end
  end)

  it("of one priority take the first place as their weights have it, and each has its place", function()
    local first, last = {}, {}
    for seed = 1, 1000 do
      local order = hosts(seed, { 1, 10, "a" }, { 1, 30, "b" }, { 1, 60, "c" }, { 2, 1, "z" })
      assert.matches("^[abc] [abc] [abc] z$", order)
      first[order:sub(1, 1)] = (first[order:sub(1, 1)] or 0) + 1
      last[order:sub(5, 5)] = (last[order:sub(5, 5)] or 0) + 1
    end
    -- The seeds are the same each time: six deviations are no matter of luck.
    assert.is_true(math.abs(first.a - 100) < 57 and math.abs(first.b - 300) < 87 and math.abs(first.c - 600) < 93)
    assert.is_true(last.a > last.b and last.b > last.c)
  end)

  it("without a weight are drawn now and then beside those that have one", function()
    local first = {}
    for seed = 1, 1000 do
      local order = hosts(seed, { 1, 9, "a" }, { 1, 0, "b" })
      first[order] = (first[order] or 0) + 1
    end
    assert.is_true(first["b a"] > 40 and first["b a"] < 200, first["b a"])
  end)
end)

describe("a name server's answer", function()
  local function two(number)
    return string.char(math.floor(number / 256), number % 256)
  end

  local function name(text)
    return (text:gsub("([^.]+)%.?", function(part) return string.char(#part) .. part end)) .. "\0"
  end

  local QUESTION = name "_mqtt._tcp.a" .. two(33) .. two(1)

  -- A record of the name that is asked for: its type, ttl and data.
  local function record(kind, ttl, data)
    return "\192\12" .. two(kind) .. two(1) .. two(0) .. two(ttl) .. two(#data) .. data
  end

  local function message(records, count)
    return two(7) .. two(0x8180) .. two(1) .. two(count or #records) .. two(0) .. two(0) .. QUESTION
      .. table.concat(records)
  end

  local function srv(priority, weight, port, target, ttl)
    return record(33, ttl or 60, two(priority) .. two(weight) .. two(port) .. target)
  end

  it("has servers and the least of their lives", function()
    local servers, ttl, absent = service_probe.answer(message { srv(1, 2, 1884, name "b.example"),
      record(1, 5, "\127\0\0\1"), srv(0, 0, 8883, "\1c\192\23", 30) })
    assert.same({ "1 2 b.example:1884", "0 0 c.a:8883" }, servers)
    assert.same({ 30, false }, { ttl, absent })
  end)

  it("may say that there is no such service, or nothing", function()
    local servers, _, absent = service_probe.answer(message { srv(0, 0, 0, "\0") })
    assert.same({ {}, true }, { servers, absent })
    assert.same({}, (service_probe.answer(message {})))
  end)

  it("lives no longer than the other name that it was found under", function()
    for _, records in ipairs { { record(5, 7, name "_mqtt._tcp.b"), srv(0, 0, 1, name "d") },
      { srv(0, 0, 1, name "d"), record(5, 9, name "b"), record(5, 7, name "c"), record(5, 8, name "b") } } do
      local servers, ttl = service_probe.answer(message(records))
      assert.same({ { "0 0 d:1" }, 7 }, { servers, ttl })
    end
  end)

  it("leaves out what leads nowhere", function()
    assert.same({ "0 0 d:1" }, (service_probe.answer(message { srv(0, 0, 0, name "b"), srv(0, 0, 1, "\3b c\0"),
      srv(0, 0, 1, "\192\255"), srv(0, 0, 1, name "d"), record(33, 1, "\0\0\0\0\0\1") })))
  end)

  it("is read to its end, wherever that is, and no further", function()
    local whole = message { srv(1, 2, 1884, name "b.example"), srv(1, 2, 1884, "\192\45") } -- which points at itself
    for length = 0, #whole - 1 do
      local servers = service_probe.answer(whole:sub(1, length))
      assert.is_true(servers == nil or #servers <= 1)
    end
    assert.is_nil(service_probe.answer(message({}, 0):sub(1, 11)))
    local many = {}
    for i = 1, 40 do
      many[i] = srv(1, 2, i, name "b")
    end
    assert.equal(32, #service_probe.answer(message(many)))
    assert.equal(1, #service_probe.answer(message({ srv(1, 2, 3, name "b") }, 65535)))
  end)
end)
