-- An error of a hook while nginx's worker hands out: LuaJIT has one hook for all coroutines, so one that a handler sets
-- and that waits strikes anywhere. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"

describe("nginx's worker #broker", function()
  local server

  before_each(function()
    local broker = mosquitto.start()
    server = nginx.start {
      init_worker = ([[
        client = assert(require "resty.holdfast":new { server = "mqtt://127.0.0.1:%d" })
        begun, failures = {}, 0
        client:on("error", function() failures = failures + 1 end)
        for topic, ordered in pairs { one = true, all = false } do
          client:subscribe(topic, { qos = 1, ordered = ordered }, function(message)
            begun[message.payload] = (begun[message.payload] or 0) + 1
          end)
        end
        client:start()
      ]]):format(broker.port),
      locations = {
        ["/ready"] = "ngx.say(tostring(client:status().ready))",
        -- One message after the other, each time with an error at a line that has seen none.
        ["/go"] = [[
          jit.off() -- what is compiled calls no hook
          -- Whether it is the reader, with nothing in hand: it has 1 s to come back, so a few such places must do.
          local slow = 0
          local function is_slow()
            local is_reader, protected, level = false, 0, 3
            local info = debug.getinfo(level, "Sf")
            while info do
              protected = protected + (info.func == xpcall and 1 or 0)
              is_reader = is_reader or info.source:find("lua/holdfast/loop/openresty.lua", 1, true) ~= nil
              level = level + 1
              info = debug.getinfo(level, "Sf")
            end
            return is_reader and protected == 1
          end
          local me, places, count, problem = coroutine.running(), {}, 0, nil
          repeat
            local struck
            count = count + 1
            local payload, since, before = tostring(count), ngx.now(), failures
            client:post(ngx.var.arg_topic, payload, { qos = 1 })
            debug.sethook(function(_, line)
              local source = not struck and coroutine.running() ~= me and debug.getinfo(2, "S").source
              local here = source and source:match "lua/holdfast/(.*)"
              here = here and here ~= "loop/openresty.lua" and here .. ":" .. line
              if here and not places[here] and is_slow() then
                slow = slow + 1
                here = slow <= 2 and here
              end
              if here and not places[here] then
                struck, places[here] = here, true
                error("struck", 0)
              end
            end, "l")
            repeat
              ngx.sleep(0.001)
              ngx.update_time()
            until (begun[payload] or failures > before) and client:status().inbox.messages == 0
              or ngx.now() - since > 10
            debug.sethook()
            if not (begun[payload] == 1 or failures > before) or client:status().inbox.messages > 0 then
              problem = (problem or "") .. " " .. tostring(struck)
              break
            end
          until not struck
          ngx.say(count, problem or " fine")
        ]],
      },
      expects = { "struck" },
    }
    server:eventually("/ready", "^true$")
  end)

  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  for _, topic in ipairs { "all", "one" } do
    it("loses no message wherever it is interrupted: " .. topic, function()
      local _, body = server:get("/go?topic=" .. topic, 120000)
      assert.matches("^%d%d+ fine\n$", body, server:log())
    end)
  end
end)
