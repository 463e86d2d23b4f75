--- Two line charts side by side, as SVG: what sweep.lua draws.
local chart = {}

local WIDTH, HEIGHT, TOP, BOTTOM, LEFT, GAP = 900, 470, 70, 130, 60, 80
local PANEL = (WIDTH - LEFT - GAP - 20) / 2
local PLOT = HEIGHT - TOP - BOTTOM

-- Told apart in grey as well: by dashes and, at the ends, by letters.
local STYLE = [[
<style>
  .page { fill: #ffffff; } text { fill: #1b1f24; font-family: sans-serif; font-size: 12px; }
  .title { font-size: 15px; font-weight: bold; } .end { text-anchor: end; } .middle { text-anchor: middle; }
  .frame { fill: none; stroke: #6b7280; } .line { stroke: #d5d9df; } .curve { fill: none; stroke-width: 2; }
  .c1 { stroke: #0b5fc0; stroke-width: 3.4; } .c2 { stroke: #7a4fbf; stroke-dasharray: 7 3; }
  .c3 { stroke: #0a7a3f; stroke-dasharray: 2 3; } .c4 { stroke: #b45309; }
  .c5 { stroke: #c0262d; stroke-dasharray: 9 4 2 4; }
  .c6 { stroke: #4b5563; stroke-dasharray: 4 4; } .c7 { stroke: #0e7490; stroke-dasharray: 12 4; }
  .c8 { stroke: #a21caf; stroke-dasharray: 1 4; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14171c; } text { fill: #e6e9ee; } .frame { stroke: #8b95a5; } .line { stroke: #333a46; }
    .c1 { stroke: #6cb2ff; } .c2 { stroke: #b79af0; } .c3 { stroke: #5fd38d; } .c4 { stroke: #f0a04b; }
    .c5 { stroke: #ff7b80; } .c6 { stroke: #aeb6c2; } .c7 { stroke: #4cc5dd; } .c8 { stroke: #f08cf5; }
  }
  @media print { .page { fill: #ffffff; } text { fill: #000000; } }
</style>]]

local function escape(words)
  return (words:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function text(x, y, class, words)
  return ('<text x="%.1f" y="%.1f" class="%s">%s</text>'):format(x, y, class, escape(words))
end

-- Where a value is on an axis of powers of ten, 0 to 1.
local function place(axis, value)
  local low, high = math.log(axis.from), math.log(axis.to)
  return (math.log(math.min(math.max(value, axis.from), axis.to)) - low) / (high - low)
end

local function panel(out, left, given)
  local base = TOP + PLOT
  out[#out + 1] = text(left, TOP - 12, "", given.name)
  for _, mark in ipairs(given.y.marks) do
    local y = base - PLOT * place(given.y, mark)
    out[#out + 1] = ('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="line"/>'):format(left, y, left + PANEL, y)
    out[#out + 1] = text(left - 6, y + 4, "end", ("%g"):format(mark))
  end
  for _, mark in ipairs(given.x.marks) do
    out[#out + 1] = text(left + PANEL * place(given.x, mark), base + 17, "middle", ("%g"):format(mark))
  end
  out[#out + 1] = text(left + PANEL / 2, base + 36, "middle", given.x.name)
  for number, curve in ipairs(given.curves) do
    local points = {}
    for index, value in ipairs(curve) do
      points[index] = ("%.1f,%.1f"):format(left + PANEL * place(given.x, given.x.at[index]),
        base - PLOT * place(given.y, value))
    end
    out[#out + 1] = ('<polyline points="%s" class="curve c%d"/>'):format(table.concat(points, " "), number)
  end
  out[#out + 1] = ('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="frame"/>'):format(left, TOP, PANEL, PLOT)
end

--- Draws two panels with the same curves.
-- @tparam string title
-- @tparam table names of the curves, at most eight
-- @tparam table left, right each { name, x = { name, at, from, to, marks }, y = { from, to, marks }, curves }
-- @treturn string
function chart.draw(title, names, left, right)
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">'):format(WIDTH,
      HEIGHT, WIDTH, HEIGHT),
    "<title>" .. escape(title) .. "</title>", STYLE,
    ('<rect x="0" y="0" width="%d" height="%d" class="page"/>'):format(WIDTH, HEIGHT),
    text(LEFT, 28, "title", title),
  }
  panel(out, LEFT, left)
  panel(out, LEFT + PANEL + GAP, right)
  for number, name in ipairs(names) do
    local x, y = LEFT + (number - 1) % 4 * 210, HEIGHT - 52 + math.floor((number - 1) / 4) * 24
    out[#out + 1] = ('<polyline points="%d,%d %d,%d" class="curve c%d"/>'):format(x, y - 4, x + 34, y - 4, number)
    out[#out + 1] = text(x + 40, y, "", name)
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return chart
