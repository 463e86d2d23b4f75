--- What helps a client back that has stepped away from its broker because its messages are not consumed.
-- A reader that is merely slow needs nothing: the client comes back as it catches up. But a reader that has ended must
-- not keep the client away for ever. Of a `for` loop that was left nothing tells but the collection of its iterator.
-- @module holdfast.relief
local log = require "holdfast.log"
local loop = require "holdfast.loop"
local reader = require "holdfast.reader"

local relief = {}

local LONGEST = 60 -- seconds between two looks

local function look(client)
  local owing = false
  for _, subscription in pairs(client.wishes) do
    owing = owing or subscription.owing
  end
  if owing then
    collectgarbage()
    for _, subscription in pairs(client.wishes) do
      reader.relieve(subscription)
    end
  end
end

local function new_waiter(client)
  client.pausing = {}
  return client.pausing
end

-- Looks again and again, without keeping the client alive between two looks.
local function watch(weak)
  local pause = 1
  while weak.client and weak.client.held and not weak.client.leaving do
    look(weak.client)
    loop.park(new_waiter(weak.client), pause)
    pause = math.min(pause * 2, LONGEST)
  end
end

local function watched(weak, _, err, trace)
  if weak.client then
    weak.client.is_watched = false
  end
  if err ~= nil then
    log.write("error", trace)
  end
end

--- The client has stepped away; `client.held` says how long it stays.
-- @tparam table client
function relief.begin(client)
  client.held = true
  if not client.is_watched then
    client.is_watched = true
    local weak = setmetatable({ client = client }, { __mode = "v" })
    loop.start(watched, weak, nil, watch, weak)
  end
end

--- The client is closed: what watches it must not keep a loop running.
-- @tparam table client
function relief.finish(client)
  if client.pausing then
    loop.unpark(client.pausing)
  end
end

return relief
