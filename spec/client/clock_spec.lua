-- The time in which messages get old goes on while the machine sleeps. A time namespace, in which it has
-- slept for ten days, stands in for that.
local core = require "holdfast.core"
local process = require "process_probe"

describe("time", function()
  it("goes on while the machine sleeps", function()
    local folder = assert(process.temporary_folder())
    local pid = assert(process.spawn({ "unshare", "--time", "--boottime", "864000", os.getenv "LUA" or "lua5.4", "-e",
      "print(require 'holdfast.core'.now())" }, folder .. "/said"))
    local how, status = process.wait(pid, 10000)
    local said = io.open(folder .. "/said"):read "*a"
    process.remove_folder(folder)
    if said:find("unshare", 1, true) then
      pending("no time namespace to be had: " .. said)
      return
    end
    assert.same({ "exited", 0 }, { how, status }, said)
    local ahead = tonumber(said) - core.now()
    assert.is_true(ahead > 863900 and ahead < 864000.1, ahead .. " s ahead")
  end)

  -- timerfd_create(2): what it counts shows in /proc, and 7 is CLOCK_BOOTTIME.
  it("ends a client's wait that began before the machine slept", function()
    local holdfast = require "holdfast"
    local client = holdfast.new { server = "mqtt://127.0.0.1:1",
      backoff = { strategy = "constant", min = 40, jitter = "none" } }
    client:start()
    assert(client:wait("failed", 10))
    local left
    for _ = 1, 100 do
      local list = io.popen "cat /proc/$PPID/fdinfo/*"
      for timer in list:read("*a"):gmatch "clockid: 7\n.-it_value: %((%d+),[^\n]*" do
        left = math.max(left or 0, tonumber(timer))
      end
      list:close()
      if left and left > 0 then
        break
      end
      process.sleep(10)
    end
    client:close()
    assert.is_true(left ~= nil and left > 30 and left <= 40, tostring(left))
  end)
end)
