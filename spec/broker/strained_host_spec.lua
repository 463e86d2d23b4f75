-- Turns in cqueues that end for want of memory, or by an error. #broker
local hosts = require "spec.support.hosts"

local missing = hosts.missing "cqueues"

describe("cqueues #broker", function()
  if missing then
    pending("is not stepped: " .. missing)
    return
  end
  local cqueues = require "cqueues"
  local strain = require "spec.support.strain"

  before_each(function()
    local controller = cqueues.new()
    local host = {}
    function host.step(seconds)
      return controller:step(seconds)
    end
    function host.connect(client)
      local is_connected
      controller:wrap(function()
        is_connected = client:connect(10)
      end)
      repeat
        assert(controller:step(10))
      until is_connected
    end
    function host.close(client)
      controller:wrap(client.close, client)
      assert(controller:loop(10))
    end
    strain.begin("cqueues", host)
  end)

  after_each(strain.finish)

  for words, run in pairs(strain.trials) do
    local is_scarce = words:find "no memory"
    it(words, function()
      if is_scarce and _VERSION < "Lua 5.3" then
        pending "cqueues before Lua 5.3 steps no controller again in which memory has run out"
      else
        run()
      end
    end)
  end
end)
