--- Makes a picture of a recording: `terminal.lua OUTPUT TIMING >demo.svg`, both as `script --log-out
-- OUTPUT --log-timing TIMING` writes them. It knows of a terminal what the demo uses of it: ASCII, colours, the way up,
-- a line wiped. The picture runs by itself, in light and dark; where nothing may move, and where a viewer knows no
-- animation, it shows how the recording ended.
local COLUMNS, STEP, HOLD = 80, 0.5, 4 -- of a line; seconds between two looks; and for which the end is shown
local WIDTH, HEIGHT, MARGIN = 8.4, 19, 16 -- of a character, of a line, around them

local CLASSES = { ["1"] = "bold", ["2"] = "dim", ["31"] = "red", ["32"] = "green", ["33"] = "yellow" }

local STYLE = [[
  .page { fill: #ffffff; stroke: #d0d7de; } text { fill: #1f2328; white-space: pre;
    font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .bold { font-weight: bold; } .dim { fill: #656d76; } .red { fill: #b3261e; } .green { fill: #116329; }
  .yellow { fill: #7d4e00; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14171c; stroke: #3c4452; } text { fill: #e6e9ee; } .dim { fill: #9aa4b2; } .red { fill: #ff8a80; }
    .green { fill: #5fd38d; } .yellow { fill: #f2c14e; }
  }
  @media (prefers-reduced-motion: reduce) { g { animation: none !important; } }
]]

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- A screen: lines of cells { character, class }, and where the next one goes.
local function screen()
  return { lines = {}, row = 1, column = 1, class = nil }
end

local function put(at, character)
  local line = at.lines[at.row] or {}
  at.lines[at.row] = line
  line[at.column] = { character, at.class }
  at.column = at.column + 1
end

local ESCAPES = {
  A = function(at, count) at.row = math.max(1, at.row - (tonumber(count) or 1)) end,
  K = function(at) at.lines[at.row] = {} end, -- the demo says it at the begin of a line only
  m = function(at, code) at.class = CLASSES[code] end,
  l = function() end, -- of the cursor, which is not drawn
  h = function() end,
}

-- What a terminal makes of the next bytes; an escape that is not whole yet is given back.
local function feed(at, bytes)
  local place = 1
  while place <= #bytes do
    local character = bytes:sub(place, place)
    if character == "\27" then
      local argument, letter, after = bytes:match("^\27%[%??(%d*)(%a)()", place)
      if not letter then
        return bytes:sub(place)
      end
      assert(ESCAPES[letter], "no terminal of ours knows ESC [ " .. argument .. letter)(at, argument)
      place = after
    else
      if character == "\r" then
        at.column = 1
      elseif character == "\n" then
        at.row = at.row + 1
      else
        assert(character:match "[ -~]", "not ASCII: " .. character:byte())
        put(at, character)
      end
      place = place + 1
    end
  end
  return ""
end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

-- A line as runs of one class, each at its own column.
local function runs(line)
  local out, text, class, first = {}, "", nil, 1
  local function flush()
    if text:match "%S" then
      local shown = text:gsub("%s+$", "")
      local lead = #shown:match "^%s*"
      out[#out + 1] = ('<tspan x="%.1f"%s>%s</tspan>'):format((first - 1 + lead) * WIDTH,
        class and ' class="' .. class .. '"' or "", (shown:sub(lead + 1):gsub("[&<>]", ENTITIES)))
    end
  end
  for column = 1, COLUMNS do
    local cell = line and line[column] or { " " }
    if cell[2] ~= class then
      flush()
      text, class, first = "", cell[2], column
    end
    text = text .. cell[1]
  end
  flush()
  return table.concat(out)
end

-- What each line shows from which second on: { { 0, "..." }, { 1.5, "..." } }.
local function watch(bytes, timing)
  local at, rest, elapsed, looked, place, rows, height = screen(), "", 0, -STEP, 1, {}, 0
  local function look()
    looked = elapsed
    local first = height == 0 -- with what is drawn first the picture begins
    height = math.max(height, #at.lines)
    for row = 1, height do
      local shown = runs(at.lines[row])
      local history = rows[row] or { { 0, first and shown or "" } }
      rows[row] = history
      if #history > 1 and history[#history][1] == elapsed then
        history[#history] = nil -- the end came within the step
      end
      if history[#history][2] ~= shown then
        history[#history + 1] = { elapsed, shown }
      end
    end
  end
  for delay, count in timing:gmatch "([%d.]+) (%d+)\n" do
    elapsed = elapsed + tonumber(delay)
    if elapsed >= looked + STEP then -- what is there before the next bytes come
      look()
    end
    rest = feed(at, rest .. bytes:sub(place, place + count - 1))
    place = place + count
  end
  look()
  return rows, elapsed
end

-- A line is a window before all that it ever shows, one below the other; what moves is that strip.
local function draw(rows, duration)
  local lines, styles = {}, {}
  local total = duration + HOLD
  for row, history in ipairs(rows) do
    local texts, frames = {}, {}
    local y = MARGIN + (row - 1) * HEIGHT
    for number, shown in ipairs(history) do
      if shown[2] ~= "" then
        texts[#texts + 1] = ('<text y="%d">%s</text>'):format((number - #history) * HEIGHT + 14, shown[2])
      end
      frames[#frames + 1] = ("%.2f%%{transform:translateY(%dpx)}"):format(shown[1] / total * 100,
        (#history - number) * HEIGHT)
    end
    if #texts > 0 then
      lines[#lines + 1] = ('<svg x="%d" y="%d" width="%d" height="%d" overflow="hidden"><g id="l%d">%s</g></svg>')
        :format(MARGIN, y, COLUMNS * WIDTH, HEIGHT, row, table.concat(texts))
      if #history > 1 then
        styles[#styles + 1] = ("#l%d{animation:k%d %.1fs step-end infinite}@keyframes k%d{%s}")
          :format(row, row, total, row, table.concat(frames))
      end
    end
  end
  local width, height = COLUMNS * WIDTH + 2 * MARGIN, #rows * HEIGHT + 2 * MARGIN
  return ([[
<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">
<title>make demo: the broker is killed twice, and no message is lost</title>
<style>
%s%s
</style>
<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" class="page"/>
%s
</svg>
]]):format(width, height, width, height, STYLE, table.concat(styles, "\n"), width - 1, height - 1,
    table.concat(lines, "\n"))
end

local output, timing = arg[1], arg[2]
if not timing then
  io.stderr:write "usage: terminal.lua OUTPUT TIMING >PICTURE, of script --log-out OUTPUT --log-timing TIMING\n"
  os.exit(2)
end
-- script's own first line is in no timing.
local rows, duration = watch(read(output):gsub("^[^\n]*\n", ""), read(timing))
io.write(draw(rows, duration))
