-- examples/policy.lua, run as it stands against a broker that refuses: its own policy is what follows. #broker
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local tree = require "spec.support.tree"

local BAD_PASSWORD, NOT_AUTHORIZED = 0x86, 0x87

describe("examples/policy.lua #broker", function()
  local broker, folder

  before_each(function()
    broker, folder = scripted.listen(), process.temporary_folder()
  end)

  after_each(function()
    broker:close()
    process.remove_folder(folder)
  end)

  -- What it prints when its first attempt is refused so, and its CONNECT.
  local function refused(code)
    local address = "mqtt://127.0.0.1:" .. broker.port
    local pid = assert(process.spawn({ os.getenv "LUA", "examples/policy.lua", address, "1" }, folder .. "/output"))
    local _, connect = broker:welcome { code = code }
    assert.are.equal("exited", (process.wait(pid, 10000)))
    return tree.read(folder .. "/output"), connect
  end

  it("sends the token that it has fetched, and stops when it is refused", function()
    local output, connect = refused(NOT_AUTHORIZED)
    assert.are.same({ "device-17", "token-1" }, { connect.username, connect.password })
    assert.matches("^token for attempt 1\nfailed: not_authorized %(stop%).-\nasleep: .-\n.*connack: not_authorized\n$",
      output)
  end)

  it("is slower than usual where it says so", function()
    local wait = refused(BAD_PASSWORD):match "\nfailed: bad_user_name_or_password %(slow%), again in ([%d.]+) s\n"
    wait = tonumber(wait)
    assert.is_true(wait >= 60 and wait <= 120, wait)
  end)
end)
