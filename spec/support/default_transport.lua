-- Run first by every interpreter of a spec run with --transport=NAME (through LUA_INIT): clients that do not say which
-- transport they want take that one.
local name = os.getenv "HOLDFAST_SPEC_TRANSPORT"
if name then
  package.preload["holdfast.schema"] = function()
    local where = os.getenv "HOLDFAST_SPEC_SCHEMA"
    local schema = assert(loadfile(where))("holdfast.schema")
    for _, row in ipairs(schema) do
      if row.name == "transport" then
        row.default = name
      end
    end
    return schema
  end
end
