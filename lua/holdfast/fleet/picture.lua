--- Results drawn as SVG: attempts a second and the share of connected clients over time, one panel a policy.
-- Colours follow the page (`prefers-color-scheme`) and are dark on white in print; what matters is told apart by form
-- as well, so grey paper will do. Text stays text.
-- @module holdfast.fleet.picture
local format = require("holdfast.text").format

local picture = {}

local WIDTH, LEFT, RIGHT, TOP = 900, 78, 62, 64
local PANEL, PLOT, FOOT = 176, 108, 52 -- heights: of a panel, of the plot in it, below the last one
local COLUMNS = 380 -- bars at most

local STYLE = [[
<style>
  .page { fill: #ffffff; } text { fill: #1b1f24; font-family: sans-serif; font-size: 13px; }
  .title { font-size: 16px; font-weight: bold; } .name { font-weight: bold; font-size: 14px; }
  .small { font-size: 11.5px; } .end { text-anchor: end; } .middle { text-anchor: middle; }
  .away { fill: #d9dde3; } .frame { fill: none; stroke: #6b7280; } .line { stroke: #b9bfc8; }
  .attempts { fill: #d97706; } .rate { stroke: #1b1f24; stroke-dasharray: 6 4; }
  .share { fill: none; stroke: #0b5fc0; stroke-width: 2.6; }
  .measured { fill: none; stroke: #0a7a3f; stroke-width: 2.2; stroke-dasharray: 2 3; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14171c; } text { fill: #e6e9ee; } .away { fill: #2b313b; } .frame { stroke: #8b95a5; }
    .line { stroke: #3c4452; } .attempts { fill: #e8912d; } .rate { stroke: #e6e9ee; } .share { stroke: #6cb2ff; }
    .measured { stroke: #5fd38d; }
  }
  @media print {
    .page { fill: #ffffff; } text { fill: #000000; } .away { fill: #dddddd; } .frame { stroke: #555555; }
    .line { stroke: #bbbbbb; } .attempts { fill: #d97706; } .rate { stroke: #000000; } .share { stroke: #0b5fc0; }
    .measured { stroke: #0a7a3f; }
  }
</style>]]

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(words)
  return (words:gsub('[&<>"]', escapes):gsub("%c", " "))
end

local function text(x, y, class, words)
  return format('<text x="%.1f" y="%.1f" class="%s">%s</text>', x, y, class, escape(words))
end

local function line(x1, y1, x2, y2, class)
  return format('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>', x1, y1, x2, y2, class)
end

local function box(x, y, width, height, class)
  return format('<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" class="%s"/>', x, y, width, height, class)
end

-- 1, 2 or 5 times a power of ten, so that about `count` of them fit.
local function step_of(span, count)
  local rough = span / count
  local unit = 10 ^ math.floor(math.log(rough) / math.log(10))
  for _, times in ipairs { 1, 2, 5 } do
    if times * unit >= rough then
      return times * unit
    end
  end
  return 10 * unit
end

local function short(value)
  if value >= 1e6 then
    return format("%gM", value / 1e6)
  elseif value >= 1e3 then
    return format("%gk", value / 1e3)
  end
  return format("%g", value)
end

-- All panels share both axes: time, and attempts a second on a scale of powers of ten.
local function axes(panels, span)
  local most, rate = 10, 0
  for _, panel in ipairs(panels) do
    rate = math.max(rate, panel.rate)
    for second = 1, math.min(#panel.series.attempts, math.ceil(span)) do
      most = math.max(most, panel.series.attempts[second])
    end
  end
  local decades = math.ceil(math.log(math.max(most, rate)) / math.log(10) - 1e-9)
  return { span = span, decades = decades }
end

local function x_of(axis, seconds)
  return LEFT + (WIDTH - LEFT - RIGHT) * math.min(1, seconds / axis.span)
end

local function height_of(axis, attempts)
  if attempts < 1 then
    return 0
  end
  return PLOT * math.max(0.02, math.log(attempts) / math.log(10) / axis.decades)
end

local function grid(axis, base, out)
  local every = math.ceil(axis.decades / 4)
  for decade = 0, axis.decades, every do
    local y = base - PLOT * decade / axis.decades
    out[#out + 1] = line(LEFT, y, WIDTH - RIGHT, y, "line")
    out[#out + 1] = text(LEFT - 8, y + 4, "small end", short(10 ^ decade))
  end
  for percent = 0, 100, 50 do
    out[#out + 1] = text(WIDTH - RIGHT + 8, base - PLOT * percent / 100 + 4, "small", percent .. " %")
  end
end

local function bars(axis, panel, base, out)
  local attempts = panel.series.attempts
  local count = math.min(#attempts, math.ceil(axis.span))
  local width = math.max(1, math.ceil(count / COLUMNS)) -- nobody lost, no second simulated
  for first = 1, count, width do
    local most = 0
    for second = first, math.min(count, first + width - 1) do
      most = math.max(most, attempts[second])
    end
    local height = height_of(axis, most)
    if height > 0 then
      local left, right = x_of(axis, first - 1), x_of(axis, first - 1 + width)
      out[#out + 1] = box(left, base - height, math.max(0.6, right - left - 0.25), height, "attempts")
    end
  end
end

local function curve(axis, connected, clients, base, class)
  local points, count = {}, math.min(#connected, math.ceil(axis.span))
  local width = math.max(1, math.ceil(count / COLUMNS))
  for second = width, count, width do
    points[#points + 1] = format("%.1f,%.1f", x_of(axis, second), base - PLOT * connected[second] / clients)
  end
  return ('<polyline points="%s" class="%s"/>'):format(table.concat(points, " "), class)
end

local function one(axis, panel, top, out)
  local base = top + 30 + PLOT
  out[#out + 1] = text(LEFT, top + 20, "name", panel.name)
  out[#out + 1] = text(WIDTH - RIGHT, top + 20, "end", panel.note)
  local left = x_of(axis, panel.away)
  out[#out + 1] = box(left, base - PLOT, x_of(axis, panel.back) - left, PLOT, "away")
  grid(axis, base, out)
  bars(axis, panel, base, out)
  local rate = base - height_of(axis, panel.rate)
  out[#out + 1] = line(LEFT, rate, WIDTH - RIGHT, rate, "rate")
  out[#out + 1] = curve(axis, panel.series.connected, panel.clients, base, "share")
  if panel.measured then
    out[#out + 1] = curve(axis, panel.measured, panel.clients, base, "measured")
  end
  out[#out + 1] = box(LEFT, base - PLOT, WIDTH - LEFT - RIGHT, PLOT, "frame")
end

local function legend(panels, out)
  local x, y = LEFT, 50
  out[#out + 1] = box(x, y - 9, 12, 10, "attempts")
  out[#out + 1] = text(x + 18, y, "small", "attempts a second (left)")
  out[#out + 1] = line(x + 176, y - 4, x + 200, y - 4, "share")
  out[#out + 1] = text(x + 206, y, "small", "clients connected (right)")
  out[#out + 1] = line(x + 366, y - 4, x + 390, y - 4, "rate")
  out[#out + 1] = text(x + 396, y, "small", "what the broker can take")
  out[#out + 1] = box(x + 552, y - 9, 12, 10, "away")
  out[#out + 1] = text(x + 570, y, "small", "broker away")
  if panels[1].measured then
    out[#out + 1] = line(x + 652, y - 4, x + 676, y - 4, "measured")
    out[#out + 1] = text(x + 682, y, "small", "measured")
  end
end

--- Draws panels below each other.
-- @tparam string title
-- @tparam table panels an array of `name`, `note` (a few words), `series` of @{holdfast.fleet}.run, `clients`, `rate`,
-- `away` and `back` (seconds between which the broker is away), and `measured`, an array of clients connected, if there
-- is a measurement to compare with
-- @tparam number span seconds that are shown
-- @treturn string
function picture.draw(title, panels, span)
  local axis = axes(panels, span)
  local height = TOP + PANEL * #panels + FOOT
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">'):format(WIDTH,
      height, WIDTH, height),
    "<title>" .. escape(title) .. "</title>",
    STYLE,
    box(0, 0, WIDTH, height, "page"),
    text(LEFT, 28, "title", title),
  }
  legend(panels, out)
  for place, panel in ipairs(panels) do
    one(axis, panel, TOP + PANEL * (place - 1), out)
  end
  local bottom = TOP + PANEL * #panels
  local step = step_of(span, 9)
  for mark = 0, span, step do
    out[#out + 1] = text(x_of(axis, mark), bottom - 18, "small middle", format("%g", mark))
  end
  out[#out + 1] = text((LEFT + WIDTH - RIGHT) / 2, bottom + 8, "middle", "seconds since the loss")
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return picture
