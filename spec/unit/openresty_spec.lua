-- What can be said of the loop of nginx without an nginx.
describe("the loop of nginx", function()
  local before = rawget(_G, "ngx")
  local made, waiting -- how many semaphores there are, and what happens while one is waited for

  after_each(function()
    rawset(_G, "ngx", before)
    package.loaded["holdfast.loop.openresty"] = nil
    package.loaded["ngx.semaphore"], package.loaded["holdfast.loop.crew"] = nil, nil
  end)

  it("refuses a Lua module that is too old", function()
    rawset(_G, "ngx", { config = { ngx_lua_version = 10015 } })
    local fine, problem = pcall(require, "holdfast.loop.openresty")
    assert.is_false(fine)
    assert.is_truthy(tostring(problem):find(
      "nginx's Lua module must be 0.10.16 or later for holdfast, this is 10015", 1, true), problem)
  end)

  local Semaphore = {}
  Semaphore.__index = Semaphore

  function Semaphore:post(count)
    self.resources = self.resources + count
  end

  function Semaphore:count()
    return self.resources
  end

  function Semaphore:wait()
    waiting(self)
    if self.resources == 0 then
      return nil, "timeout"
    end
    self.resources = self.resources - 1
    return true
  end

  local function install(more)
    made = 0
    local ngx = { config = { ngx_lua_version = 10023 }, get_phase = function() return "new" end }
    for name, value in pairs(more or {}) do
      ngx[name] = value
    end
    rawset(_G, "ngx", ngx)
    package.loaded["ngx.semaphore"] = { new = function()
      made = made + 1
      return setmetatable({ resources = 0 }, Semaphore)
    end }
  end

  it("says so when nginx cannot suspend the caller after all", function()
    install()
    package.loaded["ngx.semaphore"].new = function()
      return { wait = function() return nil, "API disabled in the context of new_by_lua*" end }
    end
    local waiter = {}
    local fine, problem = pcall(require("holdfast.loop.openresty").park, waiter, 5)
    assert.are.same({ false, "API disabled in the context of new_by_lua*" }, { fine, problem })
    assert.is_true(waiter.done)
  end)

  it("waits on a semaphore again, but not on one that was posted as the time ran out", function()
    install()
    local loop = require "holdfast.loop.openresty"
    local waiter
    local function park(meanwhile)
      waiter, waiting = {}, meanwhile
      loop.park(waiter, 5)
      return waiter
    end
    local function unpark()
      waiter.host.resources = -1 -- as nginx counts who waits
      loop.unpark(waiter)
      waiter.host.resources = 1
    end
    park(unpark)
    park(unpark)
    assert.are.equal(1, made)
    park(function(bell)
      waiter.done = true
      bell:post(2)
    end)
    local woken = 0
    park(function()
      woken = woken + 1
      unpark()
    end)
    assert.are.same({ 2, 1 }, { made, woken })
  end)

  if jit or _VERSION ~= "Lua 5.1" then -- whose xpcall takes no arguments; nginx runs LuaJIT
    it("has its threads stand by once their time is over, until nginx has had its turn or they are to end", function()
      local ready, over, yielded = {}, true, {}
      install { thread = { spawn = function(fn, ...)
        local thread = coroutine.create(fn)
        ready[#ready + 1] = thread
        assert(coroutine.resume(thread, ...))
      end } }
      waiting = function(bell)
        while bell.resources == 0 do
          coroutine.yield()
        end
      end
      local span = { begin = function() end, is_over = function() return over end }
      local crew = require("holdfast.loop.crew").new(error, span, function(who) yielded[#yielded + 1] = who end)
      crew:begin()
      local run = 0
      local function turn()
        for index = 1, #ready do
          if coroutine.status(ready[index]) ~= "dead" then
            assert(coroutine.resume(ready[index]))
          end
        end
        return run
      end
      for _ = 1, 3 do
        crew:add(function() run = run + 1 end, nil, nil, function() over = true end)
      end
      assert.are.same({ 0, 0, { crew } }, { turn(), turn(), yielded })
      over = false
      crew:go_on()
      assert.are.same({ 1, 1, { crew, crew } }, { turn(), turn(), yielded })
      over = false
      crew:finish()
      assert.are.same({ 2, 2, { crew, crew, crew } }, { turn(), turn(), yielded })
      over = false
      crew:go_on()
      assert.are.same({ 3, false }, { turn(), crew:is_busy() })
    end)

    it("has no more light threads than tasks are under way, and one to call", function()
      local ready = {}
      install { thread = { spawn = function(fn, ...)
        local thread = coroutine.create(fn)
        ready[#ready + 1] = thread
        assert(coroutine.resume(thread, ...))
      end } }
      waiting = function(bell)
        while bell.resources == 0 do
          coroutine.yield()
        end
      end
      local crew = require("holdfast.loop.crew").new(error, { begin = function() end, is_over = function() end }, error)
      crew:begin()
      local run = 0
      for _ = 1, 20 do
        crew:add(function() run = run + 1 end, nil, nil, function() end)
        for index = 1, #ready do
          assert(coroutine.resume(ready[index]))
        end
      end
      assert.are.same({ 20, 2 }, { run, #ready })
    end)

    -- What was owed first may be known by then to nobody but the one who was interrupted.
    it("settles what a task owes whose end was interrupted after it had returned", function()
      local ready = {}
      install { thread = { spawn = function(fn, ...)
        local thread = coroutine.create(fn)
        ready[#ready + 1] = thread
        assert(coroutine.resume(thread, ...))
      end } }
      waiting = function(bell)
        while bell.resources == 0 do
          coroutine.yield()
        end
      end
      local said, settled, ended = {}, 0, 0
      local crew = require("holdfast.loop.crew").new(function(words)
        said[#said + 1] = words:match "^[^\n]*"
      end, { begin = function() end, is_over = function() end }, error, function() settled = settled + 1 end)
      crew:begin()
      for _ = 1, 2 do
        crew:add(function()
          ended = ended + 1
          if ended == 1 then
            error("struck", 0)
          end
        end, nil, nil, function() end)
      end
      for index = 1, #ready do
        assert(coroutine.resume(ready[index]))
      end
      assert.are.same({ { "struck" }, 3, 1 }, { said, ended, settled })
    end)
  end
end)
