-- The time in which messages get old goes on while the machine sleeps. A time namespace, in which it has
-- slept for ten days, stands in for that.
local core = require "holdfast.core"
local process = require "process_probe"

-- timerfd_create(2): seconds that the longest of a process's timers by CLOCK_BOOTTIME has left, nil: it sets none.
local function timer_of(pid)
  for _ = 1, 200 do
    local list = io.popen(("cat /proc/%s/fdinfo/* 2>/dev/null"):format(pid))
    local left = 0
    for timer in list:read("*a"):gmatch "clockid: 7\n.-it_value: %((%d+),[^\n]*" do
      left = math.max(left, tonumber(timer))
    end
    list:close()
    if left > 0 then
      return left
    end
    process.sleep(10)
  end
end

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

  -- No machine of ours can be put to sleep, but what a timer counts shows in /proc, and 7 is CLOCK_BOOTTIME. The keeper
  -- has not been started.
  it("ends a wait of the loop that began before the machine slept", function()
    local pid = assert(process.spawn { os.getenv "LUA" or "lua5.4", "-e", "require 'holdfast'.sleep(40)" })
    local left = timer_of(pid)
    process.kill(pid, "KILL")
    process.wait(pid, 10000)
    assert.is_true(left ~= nil and left > 30 and left <= 40, tostring(left))
  end)

  it("ends a client's wait that began before the machine slept", function()
    local holdfast = require "holdfast"
    local client = holdfast.new { server = "mqtt://127.0.0.1:1",
      backoff = { strategy = "constant", min = 40, jitter = "none" } }
    client:start()
    assert(client:wait("failed", 10))
    local left = timer_of "$PPID"
    client:close()
    assert.is_true(left ~= nil and left > 30 and left <= 40, tostring(left))
  end)
end)
