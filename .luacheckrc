std = "max" -- Lua 5.1 to 5.4 and LuaJIT run the same source
max_line_length = 120
exclude_files = { "build", ".luarocks" }

files["spec"].std = "+busted"
files["rockspec/*.rockspec"].std = "+rockspec"
