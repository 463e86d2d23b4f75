-- A broker that is silent, since its network drops all packets or it is stopped itself, is noticed in the time that
-- docs/measurements.md promises for the native transport. #broker
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local notice = require "spec.support.notice"
local now = require("holdfast.core").now
local process = require "process_probe"

local SLACK = 0.5 -- of a loaded machine; by themselves they take 3.0 and 7.4 s at most

local function assert_in_time(times)
  for name, seconds in pairs(notice.wanted) do
    local took = assert(times[name], name .. ": never")
    assert.is_true(took <= seconds + SLACK, ("%s: after %.2f s, not %g"):format(name, took, seconds))
  end
end

describe("a silent broker is noticed in time #broker", function()
  after_each(mosquitto.finish)

  it("when it is stopped and its system goes on", function()
    local broker = mosquitto.start()
    holdfast.run(function()
      assert_in_time(notice.of(broker.port, function()
        broker:freeze()
        return now()
      end))
    end)
  end)

  it("when every packet is dropped", function()
    local folder = process.temporary_folder()
    local log = folder .. "/log"
    local pid = assert(process.spawn({ "unshare", "--net", os.getenv "LUA" or "lua5.4",
      "spec/support/notice_child.lua" }, log))
    local ended = process.wait(pid, 40000)
    local said = io.open(log):read "*a"
    process.remove_folder(folder)
    if said:find("unshare failed", 1, true) or said:find("ermission", 1, true) or said:find("not found", 1, true) then
      pending("no network of its own to be had: " .. said)
      return
    end
    assert(ended, "it hangs")
    local times = {}
    for name, seconds in said:gmatch "([^\n]-): ([%d.]+)\n" do
      times[name] = tonumber(seconds)
    end
    assert_in_time(times)
  end)
end)
