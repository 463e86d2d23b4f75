-- A captive portal: `portal_child.lua port` sends whoever connects, and whatever that says, to its page.
local sockets = require "socket_probe"

local listener = assert(sockets.listen(tonumber(arg[1]), 64, "0.0.0.0"))
while true do
  local one = listener:accept(1000)
  if one then
    one:receive(1, 1000)
    one:send "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    one:close()
  end
end
