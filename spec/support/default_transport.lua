-- Run first by every interpreter of a spec run with --transport=NAME or --road=NAME, by nginx in it, and by each
-- program of spec.support.program (through LUA_INIT): clients that do not say which transport, which protocol or which
-- event loop they want take the one named there; those that want a mosquitto of spec.support.mosquitto over plain TCP
-- go the road named.
local given = {
  transport = os.getenv "HOLDFAST_SPEC_TRANSPORT", protocol = tonumber(os.getenv "HOLDFAST_SPEC_PROTOCOL" or ""),
  loop = os.getenv "HOLDFAST_SPEC_LOOP",
}
local where = os.getenv "HOLDFAST_SPEC_SCHEMA" -- a worker of nginx has no environment any more
if next(given) then
  package.preload["holdfast.schema"] = function()
    local schema = assert(loadfile(where))("holdfast.schema")
    for _, row in ipairs(schema) do
      if given[row.name] then
        row.default = given[row.name]
      end
    end
    return schema
  end
end

if os.getenv "HOLDFAST_SPEC_ROAD" then
  local function real(name)
    return assert(loadfile((where:gsub("schema%.lua$", name .. ".lua"))))("holdfast." .. name)
  end

  package.preload["holdfast.check"] = function()
    local check = real "check"
    local server_of = check.server
    function check.server(value)
      local server, problem = server_of(value)
      if server then
        require("spec.support.roads").take(server)
      end
      return server, problem
    end
    return check
  end

  package.preload["holdfast.settings"] = function()
    local settings = real "settings"
    local build = settings.build
    function settings.build(values, ...)
      require("spec.support.roads").go_through(values)
      return build(values, ...)
    end
    return settings
  end
end
