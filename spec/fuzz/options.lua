--- What spec/fuzz/options.c calls with each input: makes a table of options of it, and a client or a refusal of that.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local schema = require "holdfast.schema"

local WORDS = {
  "mqtt://localhost", "mqtts://b.example:8884", "tcp://[::1]:99999", "exponential", "full", "none", "file",
  "reject", "slow", "stop", "not_authorized", "a/b", "a/#", "", "/nowhere", "*.example", "\0", "\201", ("x"):rep(70000),
}
local NUMBERS = {
  0, 1, 2, 4, 5, 0.5, 1e-9, -1, 60, 255, 65535, 65536, 2 ^ 31, 2 ^ 32 - 1, 2 ^ 32, 2 ^ 53, 1e300, 1 / 0, -1 / 0, 0 / 0,
}
local KEYS = {
  "user", "content_type", "message_expiry", "will_delay", "identifiers", "topic", "allow", "min", "nothing",
}

return function(bytes)
  local at = 0
  local function take()
    at = at + 1
    return bytes:byte(at) or 0
  end

  local value
  local function list(depth)
    local made = {}
    for index = 1, take() % 4 do
      made[index] = value(depth + 1)
    end
    for _ = 1, take() % 4 do
      local which = take()
      local key = KEYS[which % (#KEYS + 3) + 1] or value(3)
      if key ~= nil and key == key then
        made[key] = value(depth + 1)
      end
    end
    return made
  end
  function value(depth)
    local kind = take() % 8
    if kind == 0 then
      return take() % 2 == 0
    elseif kind == 1 or kind == 2 then
      return NUMBERS[take() % #NUMBERS + 1]
    elseif kind == 3 then
      local length = take() % 40
      at = at + length
      return bytes:sub(at - length + 1, at)
    elseif kind == 4 then
      return print
    elseif kind == 5 and depth < 3 then
      return list(depth)
    end
    return WORDS[take() % #WORDS + 1]
  end

  -- Mostly what the row wants, so that one wrong value is not hidden behind another.
  local function put(options, row)
    local chosen = take() % 4 > 0 and (row.choices and row.choices[take() % #row.choices + 1] or row.default)
    if chosen == nil or chosen == false then
      chosen = value(0)
    end
    local group, name = row.name:match "^([^.]+)%.(.*)$"
    if not group then
      options[row.name] = chosen
    else
      options[group] = type(options[group]) == "table" and options[group] or {}
      options[group][name] = chosen
    end
  end

  local options = { server = "mqtt://localhost" }
  for _ = 1, take() % 8 do
    put(options, schema[take() % #schema + 1])
  end
  local queue = options.queue
  if type(queue) == "table" and type(queue.store) == "string" then
    queue.store = "/nowhere/" .. queue.store -- no input is to leave a file behind
  end
  local fine, client, message, code = pcall(holdfast.new, options)
  if not fine then
    assert(type(client) == "string" and client:find "holdfast%.new: ." and not client:find "holdfast%.core:", client)
  elseif not client then
    assert(code, message)
  else
    assert(client:status().state == "idle" and tostring(client) ~= "")
    client:close()
  end
  local mailbox = core.mailbox()
  repeat until not mailbox:take()
end
