--- `lua docs/tools/reference.lua`: writes what is generated in docs/reference and library. With `--check` it only says
-- what is not as it would be written, and ends with 1.
-- A page has its generated parts between `<!-- generated: NAME -->` and `<!-- end -->`; all else in it is written by
-- hand.
package.path = "docs/tools/?.lua;./?.lua;" .. package.path

local diagram = require "reference.diagram"
local library = require "reference.library"
local pages = require "reference.pages"

local FOLDER = "docs/reference/"
local PAGES = { "calls", "options", "events", "reasons", "status", "states" }

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

local function with_parts(text)
  return (text:gsub("(<!%-%- generated: (%l+) %-%->\n).-(<!%-%- end %-%->)", function(head, name, tail)
    return head .. "\n" .. pages[name]() .. "\n\n" .. tail
  end))
end

local function wanted()
  local files = {
    ["library/holdfast.lua"] = library.holdfast(),
    ["library/resty/holdfast.lua"] = library.resty "resty.holdfast",
    ["library/resty/holdfast/metrics.lua"] = library.resty "resty.holdfast.metrics",
    [FOLDER .. "states.dot"] = diagram.dot(),
  }
  for _, name in ipairs(PAGES) do
    local path = FOLDER .. name .. ".md"
    files[path] = with_parts(assert(read(path), path))
  end
  return files
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  print(path)
end

local is_check, stale = arg[1] == "--check", 0
for path, text in pairs(wanted()) do
  if read(path) ~= text then
    stale = stale + 1
    if is_check then
      print(path .. " is not what would be written: make reference")
    else
      write(path, text)
    end
  end
end
if is_check and stale > 0 then
  os.exit(1)
end
