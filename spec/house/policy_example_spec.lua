-- examples/policy.lua, run as it stands against a broker that refuses: its own policy is what follows. #broker
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local tree = require "spec.support.tree"

local BAD_PASSWORD, NOT_AUTHORIZED = 0x86, 0x87

describe("examples/policy.lua #broker", function()
  local folder

  before_each(function()
    folder = process.temporary_folder()
  end)

  after_each(function()
    process.remove_folder(folder)
  end)

  -- What it prints when its first attempt is refused so, and its CONNECT. It waits to be ready for so many seconds,
  -- whatever it is told; where that was too short for the first attempt it gets more.
  local function refused(code)
    for _, seconds in ipairs { "1", "5", "25" } do
      local broker, file = scripted.listen(), folder .. "/" .. seconds
      local pid = assert(process.spawn({ os.getenv "LUA", "examples/policy.lua", "mqtt://127.0.0.1:" .. broker.port,
        seconds }, file))
      local came, client, connect = pcall(broker.welcome, broker, { code = code })
      assert.are.equal("exited", (process.wait(pid, 60000)))
      broker:close()
      if came then client:close() end
      local output = tree.read(file)
      if output:find "again in" or output:find "asleep: " or seconds == "25" then
        return output, connect
      end
    end
  end

  it("sends the token that it has fetched, and stops when it is refused", function()
    local output, connect = refused(NOT_AUTHORIZED)
    assert.are.same({ "device-17", "token-1" }, { connect.username, connect.password })
    assert.matches("^token for attempt 1\nfailed: not_authorized %(stop%).-\nasleep: .-\n.*connack: not_authorized\n$",
      output)
  end)

  it("is slower than usual where it says so", function()
    local output = refused(BAD_PASSWORD)
    local wait = tonumber(output:match "\nfailed: bad_user_name_or_password %(slow%), again in ([%d.]+) s\n")
    assert.is_true(wait and wait >= 60 and wait <= 120, output)
  end)
end)
