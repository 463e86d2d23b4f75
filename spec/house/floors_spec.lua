-- An arrow between floors points down only, and what a floor may know of the world is fixed.
local calls = require "spec.support.calls"
local tree = require "spec.support.tree"

local BELOW = {
  core = {},
  stream = { core = true, sys = true },
  mqtt = { core = true },
  sys = { core = true },
  link = { core = true, mqtt = true, sys = true, store = true, stream = true },
  store = { core = true, sys = true },
  quic = { core = true, sys = true, stream = true },
  keeper = { core = true, sys = true, link = true, store = true, stream = true },
  lua = { core = true, sys = true, link = true, store = true, stream = true, keeper = true, quic = true },
}

-- The rooms of csrc/keeper, from the one that waits down to those that anybody may enter.
local KEEPER = {
  { about = "what waits", "thread", "lead", "ears" },
  { about = "what turns, and steps a client's engine: mail, time, the end of a turn",
    "keeper", "commands", "turn", "answers", "driver" },
  { about = "what a client is, and does on its way to a broker and with it",
    "client", "attempt", "authentication", "gates", "route", "diagnosis", "primary", "deadlines", "wishes", "outbox",
    "trial", "patience", "inbox", "admission", "posting", "keeping" },
  { about = "what is found out off the keeper's path", "command", "resolver", "finder", "proof", "trust", "knock",
    "look", "question" },
  { about = "what any room may use: a client's handle, the way to the keeper, what is told and shown", "door", "dues",
    "tell", "inspect", "snapshot", "tally", "trace", "handle", "reference", "given", "pair", "walk", "verdicts",
    "begun", "options" },
}

-- Freestanding headers and those that compute: no clock, no I/O, no threads.
local COMPUTING = "assert ctype float inttypes limits math stdalign stdarg stdatomic stdbool stddef stdint stdlib "
  .. "string"
local PURE_MAY_KNOW = {}
for name in COMPUTING:gmatch "%a+" do
  PURE_MAY_KNOW[name .. ".h"] = true
end

local function includes()
  local list = {}
  for _, path in ipairs(tree.files("csrc", "*.c", "*.h")) do
    for number, line in tree.lines(path) do
      local bracket, name = line:match '^%s*#%s*include%s*([<"])([^>"]+)[>"]'
      if bracket then
        list[#list + 1] = { path = path, floor = path:match "^csrc/([^/]+)/", own = bracket == '"', name = name,
          place = path .. ":" .. number .. " includes " .. name }
      end
    end
  end
  return list
end

describe("the floors of csrc", function()
  local all = includes()
  local offenders

  before_each(function()
    offenders = {}
  end)

  local function offend(include, why)
    offenders[#offenders + 1] = include.place .. ": " .. why
  end

  it("are the known ones", function()
    for _, path in ipairs(tree.files("csrc", "*")) do
      if not BELOW[path:match "^csrc/([^/]+)/"] then
        offenders[#offenders + 1] = path
      end
    end
    assert.same({}, offenders)
  end)

  it("include only their own headers and those of floors below", function()
    local checked = 0
    for _, include in ipairs(all) do
      if include.own then
        checked = checked + 1
        local floor = include.name:match "^(%w+)/[%w_]+%.h$"
        if not floor then
          offend(include, "own headers are named from csrc")
        elseif floor ~= include.floor and not BELOW[include.floor][floor] then
          offend(include, "an arrow may point down only")
        end
      end
    end
    assert.same({}, offenders)
    assert.is_true(checked > 50)
  end)

  it("know Lua in csrc/lua only", function()
    for _, include in ipairs(all) do
      if include.name:match "^lua[%w]*%.h" or include.name == "lauxlib.h" then
        if include.floor ~= "lua" then
          offend(include, "only csrc/lua knows Lua")
        end
      end
    end
    assert.same({}, offenders)
  end)

  it("know Paho in csrc/link/paho_* only", function()
    local seen = 0
    for _, include in ipairs(all) do
      if include.name:match "^MQTT" then
        seen = seen + 1
        if not include.path:match "^csrc/link/paho_" then
          offend(include, "only csrc/link/paho_* knows Paho")
        end
      end
    end
    assert.same({}, offenders)
    assert.is_true(seen > 0)
  end)

  it("need no file of Paho's for our own transport", function()
    local seen = 0
    for _, include in ipairs(all) do
      if include.path:match "^csrc/link/native_" then
        seen = seen + 1
        if include.name:match "^link/paho_" or include.name == "link/tls_check.h" then
          offend(include, "Paho's alone")
        end
      end
    end
    assert.same({}, offenders)
    assert.is_true(seen > 0)
  end)

  it("know SQLite in csrc/store only", function()
    local seen = 0
    for _, include in ipairs(all) do
      if include.name == "sqlite3.h" then
        seen = seen + 1
        if include.floor ~= "store" then
          offend(include, "only csrc/store knows SQLite")
        end
      end
    end
    assert.same({}, offenders)
    assert.is_true(seen > 0)
  end)

  it("know ngtcp2 and GnuTLS in csrc/quic only, which only its own door in csrc/lua knows", function()
    local seen = 0
    for _, include in ipairs(all) do
      if include.name:match "^ngtcp2/" or include.name:match "^gnutls/" then
        seen = seen + 1
        if include.floor ~= "quic" then
          offend(include, "only csrc/quic knows ngtcp2 and GnuTLS")
        end
      elseif include.name:match "^quic/" and include.floor ~= "quic" and include.path ~= "csrc/lua/quic.c" then
        offend(include, "the rest must do without it: stream/quic.h")
      end
    end
    assert.same({}, offenders)
    assert.is_true(seen > 0)
  end)

  it("know libwslay in one room only", function()
    local seen = 0
    for _, include in ipairs(all) do
      if include.name:match "^wslay/" then
        seen = seen + 1
        if include.path ~= "csrc/stream/websocket_frames.c" then
          offend(include, "only csrc/stream/websocket_frames.c knows libwslay")
        end
      end
    end
    assert.same({}, offenders)
    assert.is_true(seen > 0)
  end)

  it("leave core and mqtt pure: no clock, no I/O, no threads", function()
    local seen = {}
    for _, include in ipairs(all) do
      if (include.floor == "core" or include.floor == "mqtt") and not include.own then
        seen[include.floor] = true
        if not PURE_MAY_KNOW[include.name] then
          offend(include, "not for csrc/" .. include.floor)
        end
      end
    end
    assert.same({}, offenders)
    assert.same({ core = true, mqtt = true }, seen)
  end)
end)

describe("the rooms of csrc, by what the objects need of each other,", function()
  local needs = calls.graph()

  local function floor_of(room)
    return room:match "^[^/]+"
  end

  local function offences(offends)
    local list, checked = {}, 0
    for room, others in pairs(needs) do
      for other, name in pairs(others) do
        checked = checked + 1
        if offends(room, other) then
          list[#list + 1] = room .. " needs " .. name .. " of " .. other
        end
      end
    end
    table.sort(list)
    assert.is_true(checked > 100)
    return list
  end

  it("keep to the floors", function()
    assert.same({}, offences(function(room, other)
      local floor, below = floor_of(room), floor_of(other)
      return floor ~= below and not BELOW[floor][below]
    end))
  end)

  it("of the keeper stand on floors of their own, and call down only", function()
    local height = {}
    for number, floor in ipairs(KEEPER) do
      for _, name in ipairs(floor) do
        height["keeper/" .. name] = -number
      end
    end
    for room in pairs(needs) do
      assert.is_true(floor_of(room) ~= "keeper" or height[room] ~= nil, room .. " stands on no floor")
    end
    assert.same({}, offences(function(room, other)
      return height[room] and height[other] and height[other] > height[room]
    end))
  end)

  it("of the keeper are in no circle", function()
    assert.is_nil(calls.circle(needs, function(room)
      return floor_of(room) == "keeper"
    end))
  end)

  it("of the two transports know nothing of each other", function()
    local function transport_of(room)
      if room == "link/tls_check" then -- why Paho could not say what is wrong with TLS
        return "paho"
      end
      return room:match "^link/(%a+)_"
    end
    assert.same({}, offences(function(room, other)
      local one, another = transport_of(room), transport_of(other)
      return one and another and one ~= another
    end))
  end)
end)

-- The library of a loop where its name is another one.
local LIBRARY = { openresty = "ngx", crew = "ngx" }

describe("the modules of lua/", function()
  it("require nothing but holdfast, except a loop its own library", function()
    local offenders, seen = {}, 0
    for _, path in ipairs(tree.files("lua", "*.lua")) do
      local host = path:match "^lua/holdfast/loop/([%w_]+)%.lua$"
      for number, line in tree.lines(path) do
        local code = line:find "^%s*%-%-" and "" or line
        for name in code:gmatch "require%s*%(?%s*[\"']([%w_.]+)[\"']" do
          seen = seen + 1
          local ours = name == "holdfast" or name:match "^holdfast%."
            or path:match "^lua/resty/" and name:match "^resty%.holdfast"
          if not (ours or host and name:match("^" .. (LIBRARY[host] or host))) then
            offenders[#offenders + 1] = path .. ":" .. number .. " requires " .. name
          end
        end
      end
    end
    assert.same({}, offenders)
    assert.is_true(seen > 0)
  end)

  it("keep the pure parts free of the client", function()
    local offenders = {}
    for _, part in ipairs { "backoff", "reason", "engine", "fleet", "presets" } do
      local path = "lua/holdfast/" .. part .. ".lua"
      for name in tree.read(path):gmatch "require%s*%(?%s*[\"']([^\"']+)[\"']" do
        if name == "holdfast" or name:match "^holdfast%.client" or name:match "^holdfast%.loop" then
          offenders[#offenders + 1] = path .. " requires " .. name
        end
      end
    end
    assert.same({}, offenders)
  end)
end)
