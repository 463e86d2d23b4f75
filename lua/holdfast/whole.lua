--- Reads all of holdfast at once, where otherwise each part is read when it is first used: for programs that go on in a
-- chroot or a sandbox, or for so long that their files may be replaced by those of another version. Of the event loops
-- it reads those of the libraries that are there already, or else the built-in one.
--
--     local holdfast = require "holdfast.whole"
--
-- @module holdfast.whole
local holdfast = require "holdfast"
local late = require "holdfast.late"

local is_hosted = rawget(_G, "ngx") ~= nil -- resty.holdfast reads what nginx needs
for _, name in ipairs { "cqueues", "copas", "luv" } do
  if package.loaded[name] then
    is_hosted = true
    late.load("holdfast.loop." .. name)
  end
end
if not is_hosted then
  late.load "holdfast.loop.builtin"
end
late.load_all()

return holdfast
