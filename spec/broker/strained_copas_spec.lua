-- Turns in copas that end for want of memory, or by an error. #broker
local hosts = require "spec.support.hosts"

local missing = hosts.missing "copas"

describe("copas #broker", function()
  if missing then
    pending("is not stepped: " .. missing)
    return
  end
  local copas = require "copas"
  local strain = require "spec.support.strain"
  local host, words, print_was

  before_each(function()
    host, words, print_was = {}, {}, print
    function _G.print(...) -- what copas does with an error that nobody has asked for
      words[#words + 1] = (...)
    end
    function host.step(seconds)
      local count = #words
      return pcall(copas.step, seconds) and #words == count
    end
    function host.connect(client)
      assert(client:connect(10))
    end
    function host.close(client)
      client:close(10)
    end
    strain.begin("copas", host)
  end)

  after_each(function()
    strain.finish()
    _G.print = print_was
  end)

  for what, run in pairs(strain.trials) do
    it(what, run)
  end

  it("tells of an error in our turn once", function()
    strain.trials["has steps that an error in our turn ends"]()
    assert.equal(3, #words)
    for _, said in ipairs(words) do
      assert.matches("^interrupted", said)
    end
  end)

  it("has handlers whose coroutines end before they begin", function()
    local set = copas.setErrorHandler
    strain.go_through("once", function()
      function copas.setErrorHandler()
        copas.setErrorHandler = set
        error("not enough memory", 0)
      end
      repeat
        host.step(1)
      until copas.setErrorHandler == set
    end)
  end)
end)
