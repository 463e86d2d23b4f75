-- Topic aliases in both directions (MQTT 5 section 3.3.2.3.4).
local mqtt = require "mqtt_probe"

describe("an alias of the broker's", function()
  local aliases

  before_each(function()
    aliases = mqtt.aliases_in()
  end)

  it("stands for the topic it was given last", function()
    assert.are.equal("a", aliases:resolve(1, "a"))
    assert.are.equal("b", aliases:resolve(16, "b"))
    assert.are.equal("a", aliases:resolve(1, ""))
    assert.are.equal("b", aliases:resolve(16, ""))
    assert.are.equal("longer than a", aliases:resolve(1, "longer than a"))
    assert.are.equal("longer than a", aliases:resolve(1, ""))
  end)

  it("is unknown before it has been given", function()
    aliases:resolve(1, "a")
    assert.are.same({ nil, "unknown" }, { aliases:resolve(2, "") })
  end)

  it("is invalid past the maximum, and 0", function()
    for _, alias in ipairs { 0, 17, 65535 } do
      assert.are.same({ nil, "invalid" }, { aliases:resolve(alias, "a") })
      assert.are.same({ nil, "invalid" }, { aliases:resolve(alias, "") })
    end
  end)

  it("ends with the connection", function()
    aliases:resolve(3, "a")
    aliases:clear()
    assert.are.same({ nil, "unknown" }, { aliases:resolve(3, "") })
    assert.are.equal("b", aliases:resolve(3, "b"))
  end)
end)

describe("an alias of ours", function()
  it("is given to a topic that comes again, and known from then on", function()
    local aliases = mqtt.aliases_out(10)
    assert.are.same({ 0, false }, { aliases:choose "meters/1" })
    assert.are.same({ 1, false }, { aliases:choose "meters/1" })
    assert.are.same({ 1, true }, { aliases:choose "meters/1" })
    assert.are.same({ 0, false }, { aliases:choose "meters/2" })
    assert.are.same({ 2, false }, { aliases:choose "meters/2" })
    assert.are.same({ 1, true }, { aliases:choose "meters/1" })
    assert.are.same({ 2, true }, { aliases:choose "meters/2" })
  end)

  it("is that of its topic where another one has the same hash", function()
    local aliases = mqtt.aliases_out(10)
    local one, other = "meters/373/power/848279", "meters/716/power/38165"
    for _ = 1, 2 do
      aliases:choose(one)
    end
    aliases:choose(other) -- counts as come again: what is remembered of a topic that came once is its hash
    for _ = 1, 2 do
      assert.are.same({ { 1, true }, { 2, true } }, { { aliases:choose(one) }, { aliases:choose(other) } })
    end
  end)

  it("is given to none where it takes more than it spares", function()
    local aliases = mqtt.aliases_out(10)
    for _ = 1, 3 do
      assert.are.same({ 0, false }, { aliases:choose "abc" })
      assert.are.same({ 0, false }, { aliases:choose "" })
    end
    aliases:choose "abcd"
    assert.are.same({ 1, false }, { aliases:choose "abcd" })
  end)

  it("does not exist where the broker wants none", function()
    local aliases = mqtt.aliases_out(0)
    for _ = 1, 3 do
      assert.are.same({ 0, false }, { aliases:choose "meters/1" })
    end
  end)

  it("goes from the topic that has not been used for longest", function()
    local aliases = mqtt.aliases_out(2)
    local function again(topic)
      aliases:choose(topic)
      return aliases:choose(topic)
    end
    assert.are.same({ 1, false }, { again "meters/1" })
    assert.are.same({ 2, false }, { again "meters/2" })
    assert.are.same({ 1, true }, { aliases:choose "meters/1" })
    assert.are.same({ 2, false }, { again "meters/3" })
    assert.are.same({ 1, true }, { aliases:choose "meters/1" })
    assert.are.same({ 2, true }, { aliases:choose "meters/3" })
    assert.are.same({ 1, false }, { again "meters/4" })
    assert.are.same({ 2, true }, { aliases:choose "meters/3" })
  end)

  -- What the broker knows, told as it is told on the wire: never an alias that stands for another topic there.
  it("means the same to both sides, whatever comes", function()
    for _, maximum in ipairs { 1, 2, 7, 256, 65535 } do
      local aliases, broker, seed, saved = mqtt.aliases_out(maximum), {}, 7, 0
      for _ = 1, 5000 do
        seed = seed * 16807 % 2147483647
        local topic = "meters/" .. math.floor(seed % 30 * (seed % 11) / 3)
        local alias, known = aliases:choose(topic)
        assert.is_true(alias <= math.min(maximum, 256))
        if known then
          assert.are.equal(topic, broker[alias])
          saved = saved + 1
        elseif alias > 0 then
          broker[alias] = topic
        end
      end
      assert.is_true(saved > 100)
    end
  end)
end)
