--- Joins what is a module of its own: QUIC, when the first server of that road is used.
-- @module holdfast.join
local core = require "holdfast.core"

local join = {}

local joined = false

-- The first line of what `require` said; that nobody has found it is said better here.
local function why_not(problem)
  local first = tostring(problem):match "^[^\n]*"
  return first:find("module 'holdfast.quic' not found", 1, true) and "" or (", which cannot be loaded: " .. first)
end

--- Makes sure that servers of the road can be reached.
-- @tparam string road of a server as `holdfast.check` has it
-- @treturn ?string what is missing
function join.problem(road)
  if road ~= "quic" or joined then
    return nil
  end
  local fine, quic = pcall(require, "holdfast.quic")
  if not fine then
    return "QUIC is in the module holdfast.quic, which the package holdfast-quic brings (luarocks install "
      .. "holdfast-quic, or make where ngtcp2 and GnuTLS are)" .. why_not(quic)
  end
  local problem = core.join_quic(quic.part)
  joined = not problem
  return problem and "holdfast.quic does not fit: " .. problem
end

return join
