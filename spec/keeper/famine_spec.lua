-- One request for memory that fails, the n-th, for every n through a whole outage, with enough afterwards: whoever
-- waits is answered, every client is ready again, every close is told.
local whole = require "spec.support.whole"

local holdfast, probe = whole.holdfast, whole.probe

local CLIENTS = 17 -- one more than had a place in the first heap of timers
local ENOUGH = 20000 -- points; far more than there are
local STEP = os.getenv "HOLDFAST_SANITIZE" == "thread" and 7 or 1 -- there is one thread, and it takes its time there

-- Calls until it does not fail for want of memory, which it does once.
local function sure(fn, ...)
  for _ = 1, 3 do
    local fine, first, second = pcall(fn, ...)
    local problem = not fine and tostring(first) or not first and second
    if not problem or not problem:match "memory" then
      return assert(fine and first, problem)
    end
  end
  error "memory is short for longer than it may"
end

local function client_of(world, options)
  return sure(function() return { world:client(options) } end)
end

local options = {
  backoff = { strategy = "constant", min = 1, jitter = "none" },
  connect_timeout = 2,
  inbox = { messages = 2 },
  queue = { messages = 4 },
}

-- A broker that is away when the clients start, takes them, sends more than they read, drops them and takes them
-- again. Answers whether a request for memory has failed, and how.
local function outage(point)
  probe.script { connect = "refuse", source = "network", code = 1 }
  local world = whole.new()
  probe.script { connect = "refuse", source = "network", code = 1 }
  probe.starve(point)
  local clients, books, answers, read = {}, {}, {}, 0
  local made = client_of(world, options)
  local first = made[1]
  clients[1], books[1] = made[1], made[2]
  local wish = sure(first.subscribe, first, "a/#", { qos = 1 })
  holdfast.run(function()
    local function publish(name, given)
      holdfast.spawn(function()
        answers[name] = "waits"
        local fine, message, code = first:publish("t", name, given)
        answers[name] = fine and "delivered" or code or message
      end)
    end
    for i = 2, CLIENTS do
      made = client_of(world, options)
      clients[i], books[i] = made[1], made[2]
    end
    for i = 1, CLIENTS do
      sure(clients[i].start, clients[i])
    end
    publish("withdrawn", { qos = 1, timeout = 2 })
    for i = 1, 8 do
      publish("queued " .. i, { qos = 1 })
    end
    sure(first.post, first, "t", "late", { qos = 1, ttl = 2 })
    holdfast.sleep(5)
    assert.are_not.equal("waits", answers.withdrawn, "point " .. point)
    probe.script { connect = "accept" }
    holdfast.sleep(20)
    assert.equal(1, wish:granted(1), "point " .. point)
    for i = 1, 5 do
      probe.send("a/b", tostring(i), 1)
    end
    holdfast.sleep(1)
    while wish:receive(1) do
      read = read + 1
    end
    holdfast.sleep(20)
    probe.script { hold_publishes = true }
    publish("held", { qos = 1, timeout = 1 })
    holdfast.sleep(5)
    for i = 1, probe.links() do
      probe.drop(i, "disconnect", 0x8B)
    end
    probe.script { hold_publishes = false }
    holdfast.sleep(20)
    for i = 1, CLIENTS do
      local where = ("point %d, client %d: %s"):format(point, i, books[i]:words())
      local status = clients[i]:status()
      assert.same({ "connected", true }, { status.state, status.ready }, where)
      assert.is_true(#books[i]:all "ready" >= 2, where)
    end
    assert.equal(0, first:status().queued.messages, "point " .. point)
    assert.is_true(read >= 4, ("point %d: %d read"):format(point, read))
    for name, answer in pairs(answers) do
      assert.are_not.equal("waits", answer, ("point %d: %s"):format(point, name))
    end
    for i = 1, CLIENTS do
      sure(clients[i].close, clients[i])
    end
  end)
  world:finish()
  return probe.starve(0), answers
end

-- Subscribes to two filters, takes one back, and has a message that is for six subscriptions to the other, more than a
-- message has room for. Answers whether a request has failed.
local function wishes(point)
  local world = whole.new()
  local client, book = world:client(options)
  local heard, taken = {}, {}
  client:start()
  world:pass(1)
  probe.asked() -- what the link has been asked so far
  probe.starve(point)
  for i = 1, 7 do
    taken[i] = sure(client.subscribe, client, i == 7 and "a/#" or "a/b", { qos = 1 }, function() heard[i] = true end)
  end
  world:pass(1)
  assert.is_true(taken[7]:remove())
  world:pass(1)
  for _ = 1, 2 do -- that of specs may have no memory for it
    if not next(heard) then
      probe.send("a/b", "x", 1)
      world:pass(1)
    end
  end
  local failed = probe.starve(0)
  local where = ("point %d: %s"):format(point, book:words())
  holdfast.run(function()
    for _, subscription in ipairs(taken) do
      assert.equal(1, subscription:granted(1), where)
    end
  end)
  assert.matches("ready$", book:words(), where)
  assert.matches("unsubscribe a/#\n", probe.asked(), where)
  assert.same({ true, true, true, true, true, true }, heard, where)
  world:finish()
  return failed
end

describe("a request for memory that fails", function()
  it("is told to who subscribes, or costs no subscription anything", function()
    local point = 0
    repeat
      point = point + 1
    until not wishes(point) or point >= ENOUGH
    assert.is_true(point > 40 and point < ENOUGH, point)
  end)

  it("costs nobody an answer, wherever it is", function()
    local plain, answers = outage(0)
    assert.is_false(plain)
    assert.equal("delivered", answers["queued 8"])
    local point = 0
    local failed
    repeat
      point = point + STEP
      failed = outage(point)
    until not failed or point >= ENOUGH
    assert.is_true(point > 100 and point < ENOUGH, point)
  end)
end)
