-- reauthenticate, where the answer to it is on its way.
local fake_core = require "spec.support.fake_core"

if jit then
  jit.off() -- what is compiled calls no hook
end

local sethook, getinfo, running, error = debug.sethook, debug.getinfo, coroutine.running, error -- busted's are slow

-- Calls fn with an error before a line in which none came yet, which is answered; nil: there is none. Not one of the
-- loop, which has specs of its own.
local function interrupted_anew(places, fn)
  local place
  local function interrupt(_, line)
    local thread, is_main = running()
    local outside = thread == nil or is_main
    local source = not place and outside and getinfo(2, "S").source:match "lua/holdfast/(%a+%.lua)$"
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

describe("the answer to reauthenticate", function()
  local core, holdfast, client, ticket

  before_each(function()
    core, holdfast = fake_core.install()
    client = holdfast.new { server = "mqtt://localhost", transport = "native", auth = { method = "K",
      start = function() return "word" end } }
    core.clients[1].reauthenticate = function(_, given)
      ticket = given
      return true
    end
  end)

  after_each(fake_core.remove)

  -- Of the code of a call, told by `tell`, which is interrupted once before each line.
  local function goes_through(tell, wanted)
    local places, rounds = {}, 0
    repeat
      local value, code
      holdfast.spawn(function()
        local _
        value, _, code = client:reauthenticate()
      end)
      holdfast.sleep(0)
      tell()
      local place = interrupted_anew(places, function() holdfast.sleep(0) end)
      holdfast.sleep(0)
      holdfast.sleep(0)
      assert.equal(wanted, value or code, place)
      rounds = rounds + 1
    until not place
    assert.is_true(rounds > 20, rounds)
  end

  it("comes though it is interrupted, at whichever line", function()
    goes_through(function() core:mail("authenticated", 1, ticket, 1) end, true)
  end)

  it("so does that its connection is lost", function()
    goes_through(function()
      core:mail("authenticated", 1, ticket, 2)
      core:mail("event", 1, "lost", { reason = { name = "x", text = "x" }, retry_in = 1 })
    end, "lost")
  end)
end)
