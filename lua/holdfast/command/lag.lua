--- The time that a message takes to the broker and back: sent to a topic of its own at QoS 0, which this client has
-- subscribed to. It is the delay of both ways and of the broker's work, as a message between two clients meets it.
-- @module holdfast.command.lag
local core = require "holdfast.core"

local lag = {}

local Lag = {}
Lag.__index = Lag

local KEPT = 60 -- of which median and most are taken
local LOST = 10 -- seconds without an answer after which the next one is sent

--- Makes one.
-- @tparam holdfast.client client
-- @tparam number every seconds between two; 0: never
-- @tparam[opt] string topic
-- @treturn table
function lag.new(client, every, topic)
  topic = topic or "holdfast/watch/" .. client:status().client_id
  return setmetatable({ client = client, every = every, topic = topic, times = {}, next_at = 0, sent = 0 }, Lag)
end

--- Begins to listen.
function Lag:listen()
  if self.every <= 0 then
    return
  end
  self.subscription = self.client:subscribe(self.topic, { retain_handling = "never" }, function(message)
    if self.sent_at and message.payload == self.payload then
      table.insert(self.times, core.now() - self.sent_at)
      if #self.times > KEPT then
        table.remove(self.times, 1)
      end
      self.sent_at = nil
    end
  end)
  self.client:on("lost", function() -- what was under way says nothing any more
    self.sent_at, self.next_at = nil, 0
  end)
end

--- Sends the next one when its time has come.
function Lag:turn()
  local now = core.now()
  if now < self:due() or not self.client:status().ready then
    return
  end
  self.sent = self.sent + 1
  self.payload = ("%.6f %d"):format(now, self.sent)
  self.sent_at, self.next_at = core.now(), now + self.every
  if not self.client:post(self.topic, self.payload) then
    self.sent_at = nil
  end
end

--- When `turn` has something to do.
-- @treturn number on `core.now`'s clock
function Lag:due()
  if self.every <= 0 or not self.client:status().ready then
    return math.huge
  end
  return self.sent_at and math.max(self.next_at, self.sent_at + LOST) or self.next_at
end

--- The newest one.
-- @treturn ?number seconds
function Lag:newest()
  return self.times[#self.times]
end

--- What there is to show.
-- @treturn table `newest`, `median`, `most` in seconds and `count`; or `why` there is nothing
function Lag:summary()
  local count = #self.times
  if count == 0 then
    local is_refused = self.subscription and select(3, self.subscription:granted(0)) == "refused"
    return { why = self.every <= 0 and "not measured (--lag 0)" or is_refused and "the broker refuses " .. self.topic
      or "not known yet" }
  end
  local sorted = {}
  for place, time in ipairs(self.times) do
    sorted[place] = time
  end
  table.sort(sorted)
  return { newest = self.times[count], median = sorted[math.ceil(count / 2)], most = sorted[count], count = count }
end

return lag
