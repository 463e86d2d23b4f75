--- What `watch` shows on a terminal: a few lines of plain text with ANSI colours, drawn over the ones before.
-- @module holdfast.command.view
local text = require "holdfast.text"

local view = {}

local COLOURS = { good = "\27[32m", warning = "\27[33m", bad = "\27[31m", faint = "\27[2m", strong = "\27[1m" }
local PLAIN = "\27[0m"

-- Cut to a width in characters, of which UTF-8 has one to each byte that does not continue another.
local function cut(words, width)
  local count = 0
  for at = 1, #words do
    local byte = words:byte(at)
    if byte < 0x80 or byte >= 0xC0 then
      count = count + 1
      if count > width then
        return words:sub(1, at - 1)
      end
    end
  end
  return words
end

--- A time for people.
-- @tparam number seconds
-- @treturn string "850 ms", "4.2 s", "3 min 20 s", "5 h 10 min"
function view.duration(seconds)
  if seconds < 1 then
    return text.format("%.0f ms", seconds * 1000)
  elseif seconds < 60 then
    return text.format("%.1f s", seconds)
  elseif seconds < 3600 then
    return ("%d min %d s"):format(math.floor(seconds / 60), math.floor(seconds % 60))
  end
  return ("%d h %d min"):format(math.floor(seconds / 3600), math.floor(seconds % 3600 / 60))
end

--- A latency for people.
-- @tparam number seconds
-- @treturn string
function view.latency(seconds)
  return text.format(seconds < 0.1 and "%.2f ms" or "%.0f ms", seconds * 1000)
end

local MOODS = { ready = "good", connected = "warning", connecting = "warning", waiting = "bad", sleeping = "bad",
  closed = "bad" }

local function state_line(model)
  local status = model.status
  local state = status.ready and "ready" or status.state
  return { { state, MOODS[state], strong = true }, { (" for %s"):format(view.duration(status.since)) },
    { status.held_by and (", held back by %s"):format(status.held_by) or "" } }
end

local function attempts_line(model)
  local counters = model.status.counters
  return { { ("%s made, %s succeeded, %s lost again"):format(text.number(counters.attempts),
    text.number(counters.connects), text.number(counters.losses)) } }
end

local function next_line(model)
  local status = model.status
  if status.state == "waiting" and status.retry_in then
    return { { ("attempt %d in %s"):format(status.attempt + 1, view.duration(status.retry_in)), "warning" } }
  elseif status.state == "connecting" then
    return { { ("attempt %d is under way"):format(status.attempt), "warning" } }
  elseif status.state == "sleeping" then
    return { { status.retry_in and "asleep for " .. view.duration(status.retry_in) or "none: asleep for good", "bad" } }
  end
  return { { "none is needed", "faint" } }
end

local function rate_line(model)
  if not model.filters then
    return { { "nothing is subscribed (-t FILTER)", "faint" } }
  end
  return { { text.format("%.1f messages a second, ", model.rate) }, { text.number(model.messages) .. " in all" } }
end

local function lag_line(model)
  local lag = model.lag
  if not lag.newest then
    return { { lag.why or "not known yet", "faint" } }
  end
  return { { view.latency(lag.newest) }, { (" (median %s, most %s of the last %d): a message to itself and back")
    :format(view.latency(lag.median), view.latency(lag.most), lag.count), "faint" } }
end

local function downtime_line(model)
  local share = model.watched > 0 and 100 * (1 - model.downtime / model.watched) or 0
  return { { text.format("%.1f %%", share) }, { (" of %s; it was away for %s"):format(view.duration(model.watched),
    view.duration(model.downtime)), "faint" } }
end

local ROWS = { { "state", state_line }, { "attempts", attempts_line }, { "next", next_line }, { "rate", rate_line },
  { "lag", lag_line }, { "ready", downtime_line } }

-- Pieces { words, mood } as one line of a width.
local function line_of(pieces, width, coloured)
  local made, left = {}, width
  for _, piece in ipairs(pieces) do
    local words = cut(text.safe(piece[1]), left) -- what a broker says, too
    left = left - #words
    local colour = coloured and COLOURS[piece[2] or ""]
    made[#made + 1] = colour and words ~= "" and colour .. words .. PLAIN or words
    if left <= 0 then
      break
    end
  end
  return table.concat(made)
end

local function title_line(model)
  local status = model.status
  return { { "holdfast watch ", "strong" }, { status.server ~= "" and status.server or model.servers[1], "strong" },
    { (", MQTT %s over %s, as %s"):format(status.protocol == 4 and "3.1.1" or "5", status.transport,
      status.client_id ~= "" and status.client_id or "?"), "faint" } }
end

--- The lines of the view.
-- @tparam table model `status` (of the client), `servers`, `filters` (whether anything is subscribed), `rate`,
-- `messages`, `lag` ({ newest, median, most, count } in seconds, or { why }), `watched` and `downtime` in seconds,
-- `happened`: a list of { time, name, words, mood }, the newest last
-- @tparam number columns
-- @tparam number rows
-- @tparam boolean coloured
-- @treturn table strings, each no wider than the terminal, fewer than its rows
function view.lines(model, columns, rows, coloured)
  local width = math.max(10, columns - 1)
  local made = { line_of(title_line(model), width, coloured) }
  for _, row in ipairs(ROWS) do
    local pieces = { { ("  %-9s "):format(row[1]), "faint" } }
    for _, piece in ipairs(row[2](model)) do
      pieces[#pieces + 1] = piece
    end
    made[#made + 1] = line_of(pieces, width, coloured)
  end
  local room = math.max(1, rows - #made - 2)
  local happened = model.happened
  for place = math.max(1, #happened - room + 1), #happened do
    local entry = happened[place]
    made[#made + 1] = line_of({ { "  " .. entry[1] .. " ", "faint" }, { ("%-10s "):format(entry[2]), entry[4] },
      { entry[3] } }, width, coloured)
  end
  for place = #made, math.max(2, rows), -1 do -- the first ones say the most
    made[place] = nil
  end
  return made
end

--- The bytes that draw lines over those drawn before, and leave the cursor below.
-- @tparam table made of `lines`
-- @tparam number before how many lines were drawn before
-- @treturn string
function view.drawn(made, before)
  local words = { before > 0 and ("\27[%dA"):format(before) or "" }
  for _, line in ipairs(made) do
    words[#words + 1] = "\r" .. line .. "\27[K\n"
  end
  words[#words + 1] = "\27[J"
  return table.concat(words)
end

view.BEGIN = "\27[?25l" -- without a cursor
view.END = "\27[?25h" .. PLAIN

return view
