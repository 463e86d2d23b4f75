--- What becomes of the clients when their worker is told to leave: a reload, or a graceful stop of nginx.
--
-- Requests that have begun may still want to publish, so a client whose id dies with the worker stays connected until
-- the process ends, and then says goodbye; it only gives its subscriptions back, so that the other members of a group
-- ($share) get all that comes, and lets go on whoever waits for an event without end, which might keep the worker for
-- ever. An id that will be used again (`$worker` without `$pid`) belongs to the next worker at once: that client is
-- closed. Either way what is queued has a little time to be delivered.
-- @module resty.holdfast.departure
local relief = require "holdfast.relief"
local events = require "holdfast.events"
local openresty = require "holdfast.loop.openresty"
local waiting = require "holdfast.waiting"

local departure = {}

local PATIENCE = 5 -- seconds for what is queued
local GLANCE = 0.02 -- seconds between two looks at it

local clients = setmetatable({}, { __mode = "k" }) -- client -> whether its id dies with this worker

local function leave(client, ephemeral, until_then)
  if not ephemeral then
    return client:close(math.max(0, until_then - openresty.now()))
  end
  client.leaving = true
  client.handle:goodbye() -- which the end of the process does not say by itself
  events.dismiss(client, waiting.LEAVING, "closed")
  relief.finish(client)
  for _, subscription in pairs(client.wishes) do
    if subscription ~= client.answers then -- requests that have begun may still ask
      subscription:remove()
    end
  end
end

local function has_queued()
  for client in pairs(clients) do
    if not client.closed and client:status().queued.messages > 0 then
      return true
    end
  end
  return false
end

local function leave_all()
  local until_then = openresty.now() + PATIENCE
  for client, ephemeral in pairs(clients) do
    leave(client, ephemeral, until_then)
  end
  while has_queued() and openresty.now() < until_then do
    ngx.sleep(GLANCE)
  end
end

--- A client has been made.
-- @tparam holdfast.client client
-- @tparam boolean ephemeral whether its id dies with this worker
function departure.expect(client, ephemeral)
  clients[client] = ephemeral
  openresty.on_exit(leave_all)
end

return departure
