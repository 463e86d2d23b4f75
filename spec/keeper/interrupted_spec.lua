-- A program that is interrupted again and again while the loop hands out: an error of a hook, as Ctrl-C in the
-- interpreter is one, comes after every so many instructions of the loop. Nothing is lost, told twice or left over. In
-- the built-in loop, and as a guest in another.
local virtual_host = require "spec.support.virtual_host"
local whole = require "spec.support.whole"

local holdfast, probe = nil, whole.probe

if jit then
  jit.off() -- what is compiled calls no hook
end

local COUNT = 300
local running, sethook, getinfo, error = coroutine.running, debug.sethook, debug.getinfo, error -- busted's are slow

-- Whether the caller is in the main coroutine: LuaJIT has one hook for all of them, and Ctrl-C of the interpreter one
-- for that one alone.
local function in_main()
  local thread, is_main = running()
  return thread == nil or is_main == true
end

-- Calls fn with an error after so many instructions; what comes out of it is that error and nothing else.
local function interrupted(every, fn)
  local is_over = false
  local function interrupt()
    if in_main() and not is_over then
      is_over = true
      error("interrupted", 0)
    end
  end
  local fine, problem = pcall(function()
    sethook(interrupt, "", every)
    fn()
    is_over = true
  end)
  sethook()
  assert(fine or problem == "interrupted", problem)
  return not fine
end

-- Likewise before a line of the library at which no call was interrupted yet, which is answered; nil: there is none.
local function interrupted_anew(places, fn)
  local place
  local function interrupt(_, line)
    local source = not place and in_main() and getinfo(2, "S").source:match "lua/holdfast/(.*)"
    local here = source and source .. ":" .. line
    if here and not places[here] then
      place, places[here] = here, true
      error("interrupted", 0)
    end
  end
  local fine, problem = pcall(function()
    sethook(interrupt, "l")
    fn()
  end)
  sethook()
  assert(fine or problem == "interrupted", problem)
  return place
end

for name, make_loop in pairs { ["a loop"] = function() end, ["a host"] = virtual_host.new } do
  describe(name .. " that is interrupted", function()
    local world, client, loop

    setup(function()
      holdfast = whole.anew()
      loop = make_loop()
    end)

    before_each(function()
      world = whole.new()
      client = world:client { inbox = { messages = 10 * COUNT }, loop = loop }
    end)

    after_each(function()
      world:finish()
    end)

    local function send_all()
      for n = 1, COUNT do
        probe.send("a/b", tostring(n), 1)
      end
    end

    -- Interrupted ever after another number of instructions, until `is_complete` says so.
    local function go_through(is_complete, begin)
      client:start()
      world:pass(1)
      begin = begin or send_all
      begin()
      local times, every = 0, 17
      for _ = 1, 20000 do
        if is_complete() then
          break
        end
        every = every % 401 + 23
        times = times + (interrupted(every, function() holdfast.sleep(0) end) and 1 or 0)
      end
      assert.is_true(times > 20, times)
      world:pass(1)
      assert.are.equal(0, client:status().inbox.messages)
    end

    local function numbers()
      local list = {}
      for n = 1, COUNT do
        list[n] = n
      end
      return table.concat(list, " ")
    end

    local function note_in(list)
      return function(message)
        list[#list + 1] = tonumber(message.payload)
      end
    end

    it("starts the handler of each message once, and in order", function()
      local heard = {}
      client:subscribe("a/#", { qos = 1 }, note_in(heard))
      go_through(function() return #heard >= COUNT end)
      assert.are.equal(numbers(), table.concat(heard, " "))
    end)

    it("gives one after the other to an ordered handler that waits", function()
      local heard = {}
      local note = note_in(heard)
      client:subscribe("a/#", { qos = 1, ordered = true }, function(message)
        note(message)
        if #heard % 7 == 0 then
          holdfast.sleep(0)
        end
      end)
      go_through(function() return #heard >= COUNT end)
      assert.are.equal(numbers(), table.concat(heard, " "))
    end)

    it("gives each message to a reader", function()
      local heard = {}
      local note = note_in(heard)
      local subscription = client:subscribe("a/#", { qos = 1 })
      holdfast.spawn(function()
        while true do
          local message = subscription:receive()
          if not message then
            return
          end
          note(message)
        end
      end)
      holdfast.sleep(0)
      go_through(function() return #heard >= COUNT end)
      assert.are.equal(numbers(), table.concat(heard, " "))
    end)

    -- From the moment at which it leaves the buffer until the caller has it nothing can bring it back: that is the end
    -- of three functions, and no call.
    for what, filters in pairs { ["one taker"] = { "a/#" }, ["several"] = { "a/#", "a/b" } } do
      it("leaves a message where it is until the very end of taking it, of " .. what, function()
        local subscription
        for index, filter in ipairs(filters) do
          local made = client:subscribe(filter, { qos = 1 })
          subscription = index == 1 and made or subscription
        end
        client:start()
        world:pass(1)
        local lost, count, message = 0, 0, nil
        while not message do
          count = count + 1
          probe.send("a/b", "x", 1)
          world:pass(0.1)
          interrupted(count, function() message = subscription:receive() end)
          if not message and not subscription:receive(0) then
            lost = lost + 1
          end
          world:pass(0.1) -- nothing is owed
        end
        assert.is_true(count > 20 and lost < 14, count .. " " .. lost)
      end)
    end

    -- With a coroutine whose time comes meanwhile; `interrupt(fn, count)` answers where it was, nil when it was not.
    local function go_on(interrupt)
      local heard, woken, count = 0, 0, 0
      client:subscribe("a/#", { qos = 1 }, function()
        heard = heard + 1
      end)
      client:start()
      world:pass(1)
      local struck
      repeat
        count = count + 1
        holdfast.spawn(function()
          holdfast.sleep(0.02)
          woken = woken + 1
        end)
        holdfast.sleep(0.01)
        probe.send("a/b", "x", 1)
        struck = interrupt(function() holdfast.sleep(0.05) end, count)
        holdfast.sleep(0.05)
        assert.are.same({ count, count, 0 }, { heard, woken, client:status().inbox.messages }, tostring(struck))
      until not struck
      assert.is_true(count > 100, count)
    end

    it("goes on, at whichever line that was", function()
      local places = {}
      go_on(function(fn)
        return interrupted_anew(places, fn)
      end)
    end)

    it("goes on, at whichever instruction that was", function()
      go_on(function(fn, count)
        return interrupted(3 * count, fn)
      end)
    end)

    it("lets time pass after a wait without an end, at whichever line that was", function()
      local read = client:subscribe("a/#", { qos = 1 })
      client:start()
      world:pass(1)
      local struck
      local count, places = 0, {}
      repeat
        count = count + 1
        probe.send("a/b", "x", 1)
        struck = interrupted_anew(places, function() read:receive() end)
        local fine, problem = pcall(holdfast.sleep, 0.01)
        assert.is_true(fine, tostring(struck) .. ": " .. tostring(problem))
        read:receive(0.01)
        holdfast.sleep(1) -- nothing is left of that one's end
      until not struck
      assert.is_true(count > 100, count)
    end)

    it("gives each message to all of its takers, to each once", function()
      local lists = { {}, {} }
      client:subscribe("a/#", { qos = 1 }, note_in(lists[1]))
      client:subscribe("a/#", { qos = 1, ordered = true }, note_in(lists[2])) -- one of the broker for both
      go_through(function() return #lists[1] >= COUNT and #lists[2] >= COUNT end)
      for _, list in ipairs(lists) do
        assert.are.equal(numbers(), table.concat(list, " "))
      end
    end)

    it("lets each publish go on that waits for its outcome", function()
      local done = 0
      go_through(function() return done >= COUNT end, function()
        for _ = 1, COUNT do
          holdfast.spawn(function()
            assert(client:publish("a/b", "x", { qos = 1 }))
            done = done + 1
          end)
        end
      end)
      assert.are.equal(COUNT, done)
    end)
  end)
end
