-- A DISCONNECT does not say which message or filter it was for: the one that is in flight twice is held back, the rest
-- goes on.
local virtual = require "spec.support.virtual"
local probe = virtual.probe

local TOO_LARGE, INVALID, UNSPECIFIED = 0x95, 0x90, 0x80

describe("a message that ends connections", function()
  local world, client

  before_each(function()
    world = virtual.new()
    client = world:client()
    client:start()
    world:pass(0)
    probe.script { hold_publishes = true }
  end)

  after_each(function()
    world:finish()
  end)

  local function post(count)
    local ids = {}
    for index = 1, count do
      ids[index] = assert(client:post("t", tostring(index), 1, false, nil, true))
    end
    world:pass(0)
    return ids
  end

  local function published()
    local payloads = {}
    for _, line in ipairs(world:asked "publish") do
      payloads[#payloads + 1] = line:match "id=(%d+)"
    end
    return table.concat(payloads, " ")
  end

  it("is found among those in flight with it, and they are not blamed", function()
    local ids = post(4)
    assert.are.equal("1 2 3 4", published())
    probe.drop(1, "disconnect", TOO_LARGE)
    world:pass(1)
    assert.are.equal("1", published(), "suspects go one at a time")
    probe.release(1)
    probe.script { hold_publishes = true }
    world:pass(0)
    assert.are.equal("2", published())
    probe.drop(1, "disconnect", TOO_LARGE) -- it was number two
    probe.script { hold_publishes = false }
    world:pass(1)
    assert.are.equal("3 4", published())
    local outcomes = world:told(client, "delivered", "dropped")
    assert.are.equal(4, #outcomes)
    assert.are.same({ "1 dropped " .. ids[2] .. " disconnected packet_too_large" },
      (function()
        local dropped = {}
        for _, line in ipairs(outcomes) do
          dropped[#dropped + 1] = line:match "^.* dropped .*$"
        end
        return dropped
      end)())
  end)

  it("is given a second chance: one such disconnect costs nothing", function()
    post(1)
    probe.drop(1, "disconnect", INVALID)
    probe.script { hold_publishes = false }
    world:pass(1)
    assert.are.equal("1 1", published())
    assert.are.same({ "1 delivered 1" }, world:told(client, "delivered", "dropped"))
  end)

  it("is not looked for when the broker had another reason", function()
    post(3)
    for _ = 1, 3 do
      probe.drop(1, "disconnect", UNSPECIFIED)
      world:pass(1)
    end
    assert.are.equal("1 2 3 1 2 3 1 2 3 1 2 3", published())
  end)

  it("is not sent beside one of QoS 2 that the link has carried", function()
    assert(client:post("t", "carried", 2, false, nil, true))
    post(1)
    world:asked()
    probe.drop(1, "disconnect", TOO_LARGE)
    world:pass(1)
    assert.equal("", published())
    probe.acknowledge(1, 1)
    world:pass(0)
    assert.equal("2", published())
    probe.release(1)
  end)

  it("lets those wait that were posted after it, until it is known", function()
    post(1)
    probe.drop(1, "disconnect", TOO_LARGE)
    world:pass(1)
    world:asked()
    post(2)
    assert.are.equal("", published())
    probe.release(1)
    world:pass(0)
    assert.are.equal("2 3", published())
  end)
end)

describe("a filter that ends connections", function()
  local INVALID_FILTER, NO_SHARES = 0x8F, 0x9E
  local world, client

  before_each(function()
    world = virtual.new()
    client = world:client()
    probe.script { hold_subscriptions = true }
  end)

  after_each(function()
    world:finish()
  end)

  local function subscribe(...)
    for wish = 1, select("#", ...) do
      client:subscribe(wish, (select(wish, ...)), 1, false, false, 0)
    end
    client:start()
    world:turn()
  end

  local function requests()
    local filters = {}
    for _, line in ipairs(world:asked("subscribe", "unsubscribe")) do
      filters[#filters + 1] = line:match "subscribe (%S+)"
    end
    return table.concat(filters, " ")
  end

  local function told(...)
    local lines = world:told(client, ...)
    for i, line in ipairs(lines) do
      lines[i] = line:gsub("^%S+ ", ""):gsub(" downtime=.*", "")
    end
    return lines
  end

  local function wait_for_connection()
    for _ = 1, 1000 do
      if client:status().state == "connected" then return end
      world:pass(1)
    end
    error "no connection"
  end

  local function lose(source, code)
    probe.drop(1, source, code)
    world:turn()
    assert.equal("waiting", client:status().state)
    wait_for_connection()
  end

  it("is found among those that were out with it, which are granted, and the queue goes on", function()
    client:post("t", "x", 1, false, nil, true)
    subscribe("good", "also/good", "bad", "best")
    assert.equal("good also/good bad best", requests())
    probe.answer(1, 1)
    world:turn()
    lose("disconnect", INVALID_FILTER)
    assert.equal("also/good", requests(), "suspects go one at a time")
    client:subscribe(5, "newer", 1, false, false, 0)
    world:turn()
    assert.equal("", requests(), "and nothing beside them")
    probe.answer(1, 1)
    world:turn()
    assert.equal("newer", requests(), "but after all others")
    probe.answer(1, 1)
    world:turn()
    assert.equal("bad", requests())
    lose("disconnect", INVALID_FILTER)
    assert.equal("best", requests())
    probe.answer(1, 1)
    world:turn()
    assert.same({ "granted 1 qos=1", "granted 2 qos=1", "granted 5 qos=1", "refused 3 topic_filter_invalid",
      "granted 4 qos=1", "ready 4 refused=1", "delivered 1" }, told("granted", "refused", "ready", "delivered"))
  end)

  it("is refused by every later connection, and costs none of them", function()
    subscribe "bad"
    lose("disconnect", NO_SHARES)
    lose("disconnect", NO_SHARES)
    assert.same({ "refused 1 shared_subscriptions_not_supported", "ready 0 refused=1" }, told("refused", "ready"))
    requests()
    probe.script { session_present = 0 }
    lose("network", 9)
    assert.equal("", requests())
    assert.same({ "refused 1 shared_subscriptions_not_supported", "ready 0 refused=1" }, told("refused", "ready"))
  end)

  it("is asked for again when there is a new wish for it", function()
    subscribe "bad"
    lose("disconnect", INVALID_FILTER)
    lose("disconnect", INVALID_FILTER)
    assert.equal("bad bad", requests())
    client:subscribe(2, "bad", 1, false, false, 0)
    world:turn()
    assert.equal("bad", requests())
    probe.answer(1, 1)
    world:turn()
    assert.same({ "refused 1 topic_filter_invalid", "granted 1 qos=1", "granted 2 qos=1" }, told("granted", "refused"))
  end)

  it("is not found by ends with an answer to it between them, nor by other ends", function()
    probe.script { session_present = 0 }
    subscribe "fine"
    for _ = 1, 3 do
      lose("disconnect", INVALID_FILTER)
      probe.answer(1, 1)
      world:turn()
      lose("network", 9)
      for _, code in ipairs { 0x80, 0x87, 0x8B, 0x97 } do
        lose("disconnect", code)
      end
    end
    assert.same({}, told "refused")
    assert.equal(1 + 3 * 6, select(2, requests():gsub("fine", "")))
  end)
end)
