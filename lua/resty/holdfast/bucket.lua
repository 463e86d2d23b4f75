--- A token bucket in a shared dict, for all workers of one nginx.
-- What csrc/core/budget.h is to the clients of a process, with the clock of the machine (monotonic, so the same in
-- every process) and a lock, since a shared dict has no compare-and-swap. A token is always granted, if need be in the
-- future.
-- @module resty.holdfast.bucket
local bucket = {}

local Bucket = {}
Bucket.__index = Bucket

local HOLD = 0.1 -- seconds after which the lock of a worker that died with it opens by itself
local TRIES = 200
local PAUSE = 0.001 -- seconds

local TOKENS, LAST, LOCK = "holdfast:tokens", "holdfast:last", "holdfast:lock"

--- A bucket.
-- @tparam table dict `ngx.shared.NAME`
-- @tparam number per_second
-- @tparam number burst at least 1
-- @tparam function now seconds on a clock that all who share the dict have in common
-- @tparam function sleep
-- @treturn table
function bucket.new(dict, per_second, burst, now, sleep)
  return setmetatable({ dict = dict, per_second = per_second, burst = burst, now = now, sleep = sleep }, Bucket)
end

local function lock(self)
  for _ = 1, TRIES do
    local added, problem = self.dict:add(LOCK, true, HOLD)
    if added or problem ~= "exists" then
      return added
    end
    self.sleep(PAUSE)
  end
end

--- Takes one token; may wait for the lock.
-- @treturn ?number seconds until it may be used, 0 for at once; nil: the dict could not be used
function Bucket:take()
  local dict = self.dict
  if not lock(self) then
    return nil
  end
  local now = self.now()
  local tokens, last = dict:get(TOKENS) or self.burst, dict:get(LAST) or now
  tokens = math.min(self.burst, tokens + math.max(0, now - last) * self.per_second) - 1
  local fine = dict:set(TOKENS, tokens) and dict:set(LAST, now)
  dict:delete(LOCK)
  return fine and math.max(0, -tokens / self.per_second) or nil
end

return bucket
