--- Scenes of spec/support/host_child.lua about what goes wrong in functions of the user's.
-- @module spec.support.host_errors
local holdfast = require "holdfast"

--- Adds them.
-- @tparam table main scenes in a coroutine of the host
-- @tparam function options what every client there is made of
return function(main, options)
  -- Functions that the connection waits for, and that would wait for the connection.
  function main.own()
    local client, asked = nil, {}
    local function ask(whose)
      asked[#asked + 1] = whose .. ": " .. tostring(select(3, client:publish("a/b", "x", { qos = 1 })))
    end
    client = holdfast.new(options { servers = { "mqtt://127.0.0.1:1", options().server }, server = false,
      credentials = function()
        ask "credentials"
        return "user"
      end,
      backoff = function()
        ask "backoff"
        return 0.01
      end,
    })
    assert(client:connect(10))
    print(table.concat(asked, ", "))
    print(client:status().queued.messages, client:status().ready)
    client:close(1)
  end

  -- An error comes out as it went in, whether it is a text or not.
  function main.thrown()
    local thrown = {}
    local function throw(what)
      return function()
        holdfast.sleep(0.001)
        error(what, 0)
      end
    end
    print(holdfast.spawn(throw "plain"):join(5))
    print(select(4, holdfast.spawn(throw(thrown)):join(5)) == thrown)
    print(holdfast.pcall(throw "protected"))
  end
end
