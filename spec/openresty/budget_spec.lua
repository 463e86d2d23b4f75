-- holdfast.limit of resty.holdfast: the workers of one nginx stand in one line for their attempts. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local nginx = require "spec.support.nginx"
local process = require "process_probe"
local sockets = require "socket_probe"

local WORKER = [[
  local holdfast = require "resty.holdfast"
  LIMIT
  for _ = 1, 4 do
    holdfast:new {
      server = "mqtt://127.0.0.1:PORT", backoff = { min = 0.05, max = 0.05 },
      policy = { closed_before_connack = "retry" },
    }:start()
  end
]]

describe("the budget of several workers #broker", function()
  after_each(nginx.finish)

  -- Attempts that reach a server which hangs up on all, in so many ms: when, from the first on.
  local function attempts(limit, ms)
    local listener, port = sockets.listen(0, 128)
    nginx.start {
      workers = 2, init_worker = WORKER:gsub("%u%u%u%u+", { LIMIT = limit, PORT = tostring(port) }),
      http = "lua_shared_dict attempts 64k;", locations = { ["/"] = "ngx.say(1)" },
    }
    local times, first = {}, nil
    repeat
      local socket = listener:accept(20)
      local now = process.now()
      if socket then
        first = first or now
        times[#times + 1] = now - first
        socket:close()
      end
    until now > (first or now) + ms
    listener:close()
    return times
  end

  it("is kept by all of them together", function()
    local times = attempts(
      'assert(holdfast.limit { attempts_per_second = 10, burst = 2, dict = "attempts" })', 3000)
    -- 2 at once, then one in 100 ms; what an attempt needs to get here differs by some ms.
    for index, time in ipairs(times) do
      assert.is_true(time >= (index - 2) * 100 - 60, ("attempt %d after %d ms"):format(index, time))
    end
    assert.is_true(#times >= 20, #times .. " attempts only")
  end)

  it("is what keeps them", function()
    assert.is_true(#attempts("", 1000) > 40)
  end)
end)
