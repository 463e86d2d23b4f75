--- README.md and the pages of docs/, for the specs that look at all of them: their code, their links, their headings.
local tree = require "spec.support.tree"

local pages = {}

--- The paths of all of them.
function pages.all()
  local list = tree.files("docs", "*.md")
  table.insert(list, 1, "README.md")
  return list
end

--- The blocks of code of a language, in one page or in all: { text, place = "docs/delivery.md:12" }.
function pages.blocks(language, path)
  local list = {}
  for _, page in ipairs(path and { path } or pages.all()) do
    local fence, lines, first
    for number, line in tree.lines(page) do
      local mark = line:match "^```(%w*)"
      if mark and not fence then
        fence, lines, first = mark, {}, number + 1
      elseif mark then
        if fence == language then
          list[#list + 1] = { text = table.concat(lines, "\n") .. "\n", place = page .. ":" .. first }
        end
        fence = nil
      elseif fence then
        lines[#lines + 1] = line
      end
    end
    assert(not fence, page .. " has a block without an end")
  end
  return list
end

-- What is said in code is no link and no heading.
local function prose(path)
  return ("\n" .. tree.read(path)):gsub("\n```.-\n```", "\n")
end

--- Where a page leads to within this checkout: { path, anchor }, the path relative to the root.
function pages.links(path)
  local list = {}
  for target in prose(path):gmatch "%]%(([^)%s]+)%)" do
    if not target:match "^%a+:" then
      local file, anchor = target:match "^([^#]*)#?(.*)$"
      local full = file == "" and path or (path:match "^.*/" or "") .. file
      local count
      repeat
        full, count = full:gsub("[^/]+/%.%./", "", 1)
      until count == 0
      list[#list + 1] = { path = full, anchor = anchor ~= "" and anchor or nil }
    end
  end
  return list
end

--- The set of what can follow # in a link to a page: its headings as GitHub and MkDocs write them.
function pages.anchors(path)
  local set = {}
  for heading in prose(path):gmatch "\n#+ ([^\n]+)" do
    set[(heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-"))] = true
  end
  return set
end

return pages
