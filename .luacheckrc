std = "max" -- Lua 5.1 to 5.4 and LuaJIT run the same source
max_line_length = 120
exclude_files = { "build", ".luarocks" }

files["spec"].std = "+busted"
for _, place in ipairs { "lua/resty", "lua/holdfast/loop/openresty.lua", "lua/holdfast/loop/crew.lua",
  "examples/openresty" } do
  files[place].std = "+ngx_lua"
end
files["rockspec/**/*.rockspec"].std = "+rockspec"
-- Declarations for editors: functions are empty, tables are only filled, and a type is one line.
files["library"] = { unused_args = false, max_line_length = false, ignore = { "241" } }
