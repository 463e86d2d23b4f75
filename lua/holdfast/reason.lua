--- The table of reasons by itself: what a code means and what follows from it.
-- `holdfast.reason(source, code)` looks one up, `holdfast.reason.all()` answers every row.
-- @module holdfast.reason
local core = require "holdfast.core"
local text = require "holdfast.text"

local reason = {
  classes = core.reason.classes, -- names, an array: none, retry, slow, switch, stop
  sources = core.reason.sources, -- names, an array: connack, connack_v3, disconnect, suback, puback, network, tls ...
}

local known = {}
for _, source in ipairs(reason.sources) do
  known[source] = true
end

--- A reason.
-- @tparam string source where the code comes from, one of `holdfast.reason.sources`
-- @tparam number code as on the wire, for example 0x87; one that nobody has assigned gets the row of its range
-- @treturn holdfast.reason_row
-- @raise when the source is unknown or the code no whole number of 16 bits
-- @function holdfast.reason
-- @usage
-- print(holdfast.reason("connack", 0x89).class) --> slow
local function find(_, source, code)
  if not known[source] then
    error("reason: " .. text.unknown("source", source, reason.sources), 2)
  elseif type(code) ~= "number" or code % 1 ~= 0 or code < -32768 or code > 32767 then
    error("reason: code must be a whole number from -32,768 to 32,767, got " .. text.describe(code), 2)
  end
  return core.reason.find(source, code)
end

--- Every row of the table, in order.
-- @treturn {holdfast.reason_row,...} what `holdfast.reason(source, code)` answers
-- @usage
-- for _, row in ipairs(holdfast.reason.all()) do
--   print(row.source, row.code, row.name, row.class)
-- end
function reason.all()
  return core.reason.all()
end

return setmetatable(reason, { __call = find })
