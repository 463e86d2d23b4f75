-- One request for memory that fails, the n-th, for every n through the life of a TLS stream, with enough
-- afterwards: it cannot be made, or it ends for that and says so, or all it carries arrives; nothing is left open.
local certificates = require "spec.support.certificates"
local loops = require "loop_probe"
local probe = require "stream_probe"
local process = require "process_probe"
local sockets = require "socket_probe"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"

local ENOUGH = 1000
local LINE = ("x"):rep(10000) .. "\n"
local ALL = LINE:rep(400) -- more than the sockets between have room for

describe("a stream that finds no memory", function()
  local folder, world

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)
  before_each(function() world = streams.new() end)
  after_each(function()
    probe.starve(0)
    world:finish()
    tls_server.finish()
  end)

  -- Answers whether one was refused, and how it went.
  local function life(point, target, talk)
    probe.starve(point)
    local fine, how = pcall(function()
      local made = target()
      if not made then return "not made" end
      local one = world:opened(made)
      talk(one)
      local size, seen = 0, 0
      world:wait(function()
        for index = seen + 1, #one.got do size, seen = size + #one.got[index], index end
        return one.state == "ended" or size >= #ALL
      end)
      if size == #ALL then return "all" end
      local reason = world:ending(one)
      return reason
    end)
    local refused = probe.starve(0)
    world:finish()
    collectgarbage()
    return refused, fine and how or "threw: " .. tostring(how)
  end

  local function each_point(target, talk)
    local seen, points = {}, 0
    local before
    for point = 1, ENOUGH do
      local refused, how = life(point, target, talk)
      assert.is_truthy(how == "all" or refused and (how == "not made" or how == "out_of_memory"
        or how:find "^threw: .*memory"), point .. ": " .. tostring(how))
      seen[how] = true
      before = before or loops.descriptors()
      assert.equal(before, (loops.descriptors()), point .. ": descriptors")
      if not refused then return seen, points end
      points = point
    end
    error "there is no end of points"
  end

  it("over TLS: is not made, ends by that name, or carries all", function()
    local server = tls_server.start { folder = folder, certificate = "server" }
    local seen, points = each_point(function()
      -- with a key of its own, so that it is made anew each time
      local context, reason = probe.context { ca = folder .. "/ca.pem", cert = folder .. "/rsa.pem",
        key = folder .. "/rsa.key" }
      assert(context or reason == "out_of_memory", reason)
      return context and { host = "localhost", port = server.port, tls = context }
    end, function(one)
      local from = 1
      world:wait(function()
        if one.stream:state() ~= "open" then return true end
        from = from + one.stream:write(ALL, from)
        return from > #ALL
      end)
    end)
    assert.is_true(seen.all and seen["not made"] and seen.out_of_memory and points > 9, points)
  end)

  it("is not made, or ends, whatever it is made of, and leaves no descriptor", function()
    local context = assert(probe.context { ca = folder .. "/ca.pem" })
    local listener, port = sockets.listen(0)
    for road, parts in pairs { tcp = 2, tls = 4 } do -- what is asked for before it is there
      collectgarbage()
      local before = loops.descriptors()
      local refused, reason, text = 0, nil, nil
      for point = 1, parts + 1 do
        probe.starve(point)
        local target = { host = "localhost", port = port, tls = road == "tls" and context or nil }
        local fine, one = pcall(world.open, world, target)
        assert.is_true(probe.starve(0), road .. point)
        if fine then -- the loop has no room for its socket
          reason, text = world:ending(one)
        else
          assert.matches("no memory", one)
          refused = refused + 1
        end
        world:finish()
        world = streams.new()
        collectgarbage()
        assert.equal(before, (loops.descriptors()), road .. point)
      end
      assert.same({ parts, "connect_failed", "127.0.0.1: Cannot allocate memory" }, { refused, reason, text }, road)
    end
    listener:close()
  end)
end)
