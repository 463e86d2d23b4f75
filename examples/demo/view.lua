--- What the demo shows: a picture redrawn in place on a terminal, one line an event anywhere else.
local now = require("holdfast.core").now

local view = {}

local LIVE = os.getenv "DEMO_VIEW" == "live"
local COLOURS = LIVE and not os.getenv "NO_COLOR"
local RECENT = 9

local started = now()
local recent, drawn = {}, 0
local client, count, broker = nil, nil, "not started yet"

local function paint(code, text)
  return COLOURS and "\27[" .. code .. "m" .. text .. "\27[0m" or text
end

local STATE_COLOURS = { connected = "32", connecting = "33", waiting = "31", sleeping = "31" }
local EVENT_COLOURS = { ready = "32", connected = "32", lost = "31", failed = "31", broker = "1" }

function view.elapsed()
  return now() - started
end

function view.start(of, tally)
  client, count = of, tally
  if LIVE then
    io.write "\27[?25l"
  end
end

--- Something happened: `name` in a word, and in a few more.
function view.event(name, words)
  if name == "broker" then
    broker = words
  end
  if not LIVE then
    io.write(string.format("%5.1f s  %-10s  %s\n", view.elapsed(), name, words))
    io.flush()
    return
  end
  local line = string.format("%5.1f s  %s  %s", view.elapsed(),
    paint(EVENT_COLOURS[name] or "2", string.format("%-10s", name)), words:sub(1, 53)) -- 80 columns
  table.insert(recent, line)
  if #recent > RECENT then
    table.remove(recent, 1)
  end
  view.draw()
end

local function bar(share)
  local full = math.floor(share * 20 + 0.5)
  return string.rep("#", full) .. string.rep(".", 20 - full)
end

local function next_attempt(status)
  if status.state == "waiting" and status.retry_in then
    return string.format("attempt %d in %.1f s  [%s]", status.attempt + 1, status.retry_in,
      bar(math.min(1, status.retry_in / 4)))
  elseif status.state == "connecting" then
    return string.format("attempt %d is running", status.attempt)
  end
  return "-"
end

--- Redraws the picture, on a terminal.
function view.draw()
  if not LIVE then
    return
  end
  local status = client:status()
  local lines = {
    paint("1", "holdfast: a subscriber that outlives its broker") .. string.format("%20.1f s", view.elapsed()),
    "",
    "  broker     " .. broker,
    "  server     " .. status.server,
    "  state      " .. paint(STATE_COLOURS[status.state] or "0", status.state) ..
      string.format(" for %.1f s", status.since),
    "  next       " .. next_attempt(status),
    "  reason     " .. (status.state ~= "connected" and status.reason and status.reason.name or "-"),
    "",
    string.format("  messages   %d sent   %d received   %s   %d duplicates   %d queued", count.sent,
      count.received, paint(count:lost() > 0 and "31" or "32", count:lost() .. " lost"), count.duplicates,
      math.max(0, count.sent - count.acknowledged)),
    "",
  }
  for i = 1, RECENT do
    lines[#lines + 1] = "  " .. (recent[i] or "")
  end
  io.write(drawn > 0 and "\27[" .. drawn .. "A" or "")
  for _, line in ipairs(lines) do
    io.write("\r\27[K", line, "\n")
  end
  drawn = #lines
  io.flush()
end

function view.finish()
  view.draw()
  io.write(LIVE and "\27[?25h\n" or "")
  io.flush()
end

return view
