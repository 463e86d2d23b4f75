-- Run by closing_spec: `closing_child.lua call`. An object that is older than the first client calls it when the state
-- closes, and says what came of it.
local call = arg[1]
local holdfast, client, mailbox

local calls = {
  sleep = function() return holdfast.sleep(0.01) end,
  new = function() return holdfast.new { server = "mqtt://127.0.0.1:1" } end,
  run = function() return holdfast.run(holdfast.sleep, 0.01) end,
  post = function() return client:post("a", "b") end,
  publish = function() return client:publish("a", "b") end,
  subscribe = function() return client:subscribe "a" end,
  connect = function() return client:connect(1) end,
  wait = function() return client:wait("ready", 1) end,
  status = function() return client:status() end,
  close = function() return client:close(1) end,
  take = function() return mailbox:take() end,
}

local function last()
  local _, problem = pcall(calls[call])
  print((tostring(problem):gsub("^.-:%d+: ", "")))
end

local object
local newproxy = rawget(_G, "newproxy")
if newproxy then -- a table has no finalizer in 5.1
  object = newproxy(true)
  getmetatable(object).__gc = last
else
  object = setmetatable({}, { __gc = last })
end
holdfast = require "holdfast"
client = holdfast.new { server = "mqtt://127.0.0.1:1" }
client:start()
mailbox = require("holdfast.core").mailbox()
mailbox:wait(10)
mailbox:take() -- which is being handed out when the state closes
package.loaded.kept = { object, client }
