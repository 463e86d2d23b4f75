--- Which of the numbered messages have come: sent, received, lost, duplicates.
local tally = {}
tally.__index = tally

function tally.new()
  return setmetatable({ sent = 0, acknowledged = 0, received = 0, duplicates = 0, highest = 0, seen = {} }, tally)
end

function tally:take(payload)
  local last = payload:match "^end (%d+)$"
  if last then
    self.sent = tonumber(last)
    self.last, self.acknowledged = self.sent, self.sent -- what came before it is with the broker
    return
  end
  local number = tonumber(payload)
  if self.seen[number] then
    self.duplicates = self.duplicates + 1
    return
  end
  self.seen[number] = true
  self.received = self.received + 1
  self.highest = math.max(self.highest, number)
end

--- Reads what the publisher says of itself.
function tally:look(folder)
  local file = not self.last and io.open(folder .. "/sent")
  if file then
    self.sent, self.acknowledged = file:read("*n", "*n")
    file:close()
  end
end

--- Numbers that did not come although a later one did: QoS 1 keeps the order of a topic.
function tally:lost()
  return math.max(self.highest, self.last or 0) - self.received
end

function tally:complete()
  return self.last ~= nil
end

function tally:summary()
  return string.format("%d sent, %d received, %d lost, %d duplicates%s", self.sent, self.received, self:lost(),
    self.duplicates, self.last and "" or " (the end never came)")
end

return tally
