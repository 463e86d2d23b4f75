-- Run first by every interpreter of a spec run with --transport=NAME, and by each program of spec.support.program
-- (through LUA_INIT): clients that do not say which transport they want, or which protocol, take the one named there.
local given = {
  transport = os.getenv "HOLDFAST_SPEC_TRANSPORT", protocol = tonumber(os.getenv "HOLDFAST_SPEC_PROTOCOL" or ""),
}
if next(given) then
  package.preload["holdfast.schema"] = function()
    local where = os.getenv "HOLDFAST_SPEC_SCHEMA"
    local schema = assert(loadfile(where))("holdfast.schema")
    for _, row in ipairs(schema) do
      if given[row.name] then
        row.default = given[row.name]
      end
    end
    return schema
  end
end
