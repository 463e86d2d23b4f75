-- Keep alive of our own link on virtual time: when the broker is asked, and when it counts as dead. 10 s of it ask
-- after 9 to 10 s of silence and give the answer 5 s.
local worlds = require "spec.support.scripted_world"

local ASK, ANSWER = 10000, 5000
local DEAD = ASK + ANSWER

describe("keep alive of our own link", function()
  local world, link

  local function begin(options, connack)
    if world then world:finish() end
    options.session_expiry = 60
    world = worlds.new(options)
    link = world.link
    world:connect(connack)
  end

  before_each(function() begin { keep_alive = 10 } end)
  after_each(function()
    world:finish()
    world = nil
  end)

  -- Lets time pass, `each` ms at a time with fn called before; when PINGREQ went out and the end was told, since now.
  local function watch(ms, each, fn)
    local begun, asked, ended, why = link:now(), {}, nil, nil
    while link:now() - begun < ms and not ended do
      if fn then fn() end
      link:run(each or 50)
      local at = link:now() - begun
      for _, packet in ipairs(world:sent()) do
        if packet == "pingreq" then asked[#asked + 1] = at end
      end
      for _, words in ipairs((world:told())) do
        why = words:match "^down connection_lost: (.*)"
        if why then ended = at end
      end
    end
    return asked, ended, why
  end

  local function between(low, high, value)
    assert.is_true(value ~= nil and value >= low and value <= high, ("%s, not %d to %d"):format(value, low, high))
  end

  it("asks a broker that is silent, and gives it its time", function()
    local asked, ended, why = watch(60000)
    assert.equal(1, #asked)
    between(0.9 * ASK, ASK + 50, asked[1])
    between(asked[1] + ANSWER - 100, asked[1] + ANSWER + 300, ended)
    assert.equal("the broker does not answer PINGREQ", why)
  end)

  it("goes on as long as it answers", function()
    local begun, asked = link:now(), 0
    while link:now() - begun < 20 * ASK do
      link:run(50)
      if world:sent()[1] == "pingreq" then
        asked = asked + 1
        world:get(world.PINGRESP)
      end
      assert.same({}, (world:told()))
    end
    between(19, 23, asked)
  end)

  it("asks one that is sent something all the time and says nothing", function()
    local id = 0
    local asked, ended = watch(60000, 500, function()
      id = id + 1
      link:publish(id, "a", "x", 0)
    end)
    between(0.9 * ASK, ASK + 500, asked[1])
    between(0.9 * DEAD, DEAD + 800, ended)
  end)

  it("asks when we have nothing to say, though it talks all the time; and that has an end", function()
    local asked, ended, why = watch(1000000, 500, function() link:feed(world:publish(0, nil, "a", "x")) end)
    between(0.9 * ASK, ASK + 500, asked[1])
    assert.is_true(#asked > 5)
    between(9 * DEAD, 11 * DEAD + ASK, ended)
    assert.equal("the broker has not answered PINGREQ for ten times its time", why)
  end)

  it("takes any byte for life", function()
    local packet, at = world:publish(0, nil, "a", ("x"):rep(60)), 0
    local _, ended = watch(4 * DEAD, 1000, function()
      at = at + 1
      link:feed(packet:sub(at, at))
    end)
    assert.is_nil(ended)
  end)

  it("bears with a large message that the answer stands behind, for as long as it comes", function()
    local packet, at = world:publish(0, nil, "a", ("x"):rep(2000000)), 1
    local _, ended = watch(20 * DEAD, 1000, function()
      link:feed(packet:sub(at, at + 4999))
      at = at + 5000
    end)
    assert.is_nil(ended)
    local why
    _, ended, why = watch(200 * DEAD, 1000, function() -- at a pace that no link has
      link:feed(packet:sub(at, at))
      at = at + 1
    end)
    between(1500000 - 20 * DEAD, 1500000, ended) -- what has moved before counts
    assert.equal("the broker has not answered PINGREQ for ten times its time", why)
  end)

  it("bears with a large message of ours that the question stands behind, for as long as it goes out", function()
    link:accept(0)
    link:publish(1, "a", ("x"):rep(2000000), 0)
    local _, ended = watch(20 * DEAD, 1000, function()
      link:quiet(100000, false)
      link:accept(5000)
    end)
    assert.is_nil(ended)
  end)

  it("counts the time of the answer from when the question has left", function()
    link:hold_back(true)
    local asked, ended
    local begun = link:now()
    asked = watch(ASK + 50)
    assert.equal(1, #asked)
    watch(3000) -- three of five seconds on our side
    link:quiet(0, false)
    link:hold_back(false)
    asked, ended = watch(60000)
    assert.same({}, asked)
    between(ANSWER - 50, ANSWER + 700, ended)
    between(0.9 * DEAD + 3000, DEAD + 3800, link:now() - begun)
  end)

  it("counts it from there though more goes out all the time, of which some is not confirmed yet", function()
    local id = 0
    local asked, ended, why = watch(60000, 50, function()
      id = id + 1
      link:hold_back(false)
      link:hold_back(true)
      link:quiet(50, false)
      link:publish(id, "a", "x", 0)
    end)
    between(0.9 * ASK, ASK + 50, asked[1])
    between(asked[1] + ANSWER - 50, asked[1] + ANSWER + 150, ended)
    assert.equal("the broker does not answer PINGREQ", why)
  end)

  it("leaves a broker whose system confirms nothing", function()
    link:hold_back(true)
    link:quiet(100000, false)
    local _, ended, why = watch(60000)
    between(0.9 * DEAD, DEAD + 400, ended)
    assert.equal("the broker's side does not confirm what is sent", why)
  end)

  it("bears with one whose system answers though its window is shut, but not for good", function()
    link:hold_back(true)
    link:quiet(10, false)
    local _, ended, why = watch(1000000)
    between(10 * DEAD, 11 * DEAD + ASK, ended)
    assert.equal("the broker has not answered PINGREQ for ten times its time", why)
  end)

  it("bears with a slow way out while the other side confirms some of it", function()
    link:accept(0)
    link:publish(1, "a", ("x"):rep(60000), 0)
    local _, ended = watch(40000, 1000, function()
      link:quiet(100000, false)
      link:accept(1000)
    end)
    assert.is_nil(ended)
    link:accept(0)
    _, ended = watch(60000)
    between(1, 2 * ANSWER + 500, ended)
  end)

  it("judges nobody in a turn that begins late: it asks first", function()
    link:sleep(3600000)
    assert.same({}, (world:told()))
    link:run()
    assert.same({ "pingreq" }, world:sent())
    local asked, ended = watch(60000)
    assert.same({}, asked)
    between(ANSWER - 50, ANSWER + 300, ended)
  end)

  it("judges nobody in a turn that begins late while the answer is waited for", function()
    watch(ASK + 50)
    link:sleep(3600000)
    assert.same({}, (world:told()))
    link:run()
    assert.same({ "pingreq" }, world:sent())
    world:get(world.PINGRESP)
    local asked, ended = watch(ASK - ASK / 10 - 200)
    assert.same({ {}, nil }, { asked, ended })
  end)

  it("asks each client at a time of its own", function()
    local times, different = {}, 0
    for _ = 1, 30 do
      begin { keep_alive = 10 }
      local asked = watch(ASK + 50, 10)
      if not times[asked[1]] then different = different + 1 end
      times[asked[1]] = true
    end
    assert.is_true(different > 10, different)
  end)

  it("is as short as the server wants it", function()
    begin({ keep_alive = 60 }, { properties = "\19\0\4" })
    local asked, ended = watch(60000)
    between(3600, 4050, asked[1])
    between(5400, 6400, ended)
  end)

  it("is as short as the server wants it, and gives the time that the keeper wants", function()
    begin({ keep_alive = 60, ask_after = 5000, dead_after = 10000 }, { properties = "\19\0\2" })
    local asked, ended = watch(60000, 10)
    between(1800, 2010, asked[1])
    between(6800, 7260, ended)
  end)

  it("is as short as the keeper wants it", function()
    begin { keep_alive = 60, ask_after = 1000, dead_after = 3000 }
    local asked, ended = watch(60000, 10)
    between(900, 1010, asked[1])
    between(2900, 3060, ended) -- it looks once after 50 ms
  end)

  it("is off at 0", function()
    begin { keep_alive = 0 }
    local asked, ended = watch(1000000, 1000)
    assert.same({ {}, nil }, { asked, ended })
  end)

  it("a probe is answered by PINGRESP", function()
    assert.is_true(link:probe(7))
    link:run()
    assert.same({ "pingreq" }, world:sent())
    world:get(world.PINGRESP)
    assert.same({ "unsubscribed 7" }, (world:told()))
    world:get(world.PINGRESP)
    assert.same({}, (world:told()))
  end)
end)
