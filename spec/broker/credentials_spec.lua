-- Who we are, to a real broker with a password file: refused, corrected, asked for anew before each attempt.
local diary = require "spec.support.diary"
local holdfast = require "holdfast"
local mosquitto = require "spec.support.mosquitto"
local now = require("holdfast.core").now
local process = require "process_probe"
local shim = require "spec.support.shim"

local QUICK = { slow = { strategy = "constant", min = 0.1, max = 0.1 } }

local function set_password(path, user, password)
  local tool = assert(process.spawn { "mosquitto_passwd", "-b", path, user, password })
  local how, status = process.wait(tool, 10000)
  assert(how == "exited" and status == 0, "mosquitto_passwd does not work")
end

-- mosquitto reads its password file at start and at SIGHUP.
local function start(user, password)
  local broker = mosquitto.start { absent = true, authenticated = true }
  local passwords = broker.folder .. "/passwords"
  assert(io.open(passwords, "w")):close()
  assert(os.execute("chmod 600 " .. passwords)) -- newer ones warn of what others may read
  set_password(passwords, user, password)
  broker:restart { "allow_anonymous false", "password_file " .. passwords }
  function broker.correct(password_now)
    set_password(passwords, user, password_now)
    assert(process.kill(broker.pid, "HUP"))
  end
  broker.passwords = passwords
  broker.uri = "mqtt://127.0.0.1:" .. broker.port
  return broker
end

describe("credentials #broker", function()
  after_each(mosquitto.finish)

  -- The least wait is the default's, the longest is short enough to be seen here. Nobody waits for it but the clock.
  local WRONG = [[
    local _, uri, correct = ...
    local clock = require "clock_probe"
    local diary = require "spec.support.diary"
    local holdfast = require "holdfast"
    local now = require("holdfast.core").now
    local function new(protocol, slow)
      return holdfast.new { server = uri, protocol = protocol, username = "kitchen", password = "new",
        policy = { slow = slow } }
    end
    holdfast.run(function()
      local clients, books, began = {}, {}, now()
      for index, protocol in ipairs { 5, 4 } do
        clients[index] = new(protocol, { max = 32 })
        books[index] = diary.of(clients[index])
        clients[index]:start()
      end
      for _, book in ipairs(books) do
        local event = book:await("failed").event
        local wait = event.retry_in >= 30 and event.retry_in <= 32 and "30 to 32" or event.retry_in
        print(event.reason.name, event.reason.class, wait)
      end
      assert(os.execute(correct))
      local other = new(5, { strategy = "constant", min = 0.05, max = 0.05 })
      assert(other:connect(10)) -- the broker has read its file
      clock.passes(math.max(0, math.floor(began + 29 - now())))
      assert(other:publish("a", "the connections are looked after", { qos = 1 }))
      local attempts = {}
      for index, client in ipairs(clients) do attempts[index] = client:status().counters.attempts end
      print(now() - began >= 30 and "1 1" or table.concat(attempts, " "))
      clock.passes(4)
      for index, client in ipairs(clients) do
        assert(other:publish("a", "and again", { qos = 1 }))
        books[index]:await("ready", 1, 10)
        print(books[index]:words())
        client:close(1)
      end
      other:close(1)
    end)
  ]]

  it("that are wrong: no second attempt for 30 s, and back by itself once the broker has been corrected", function()
    local broker = start("kitchen", "old")
    local correct = ("env -u LD_PRELOAD mosquitto_passwd -b %s kitchen new && kill -HUP %d"):format(broker.passwords,
      broker.pid)
    local refused, back = "not_authorized\tslow\t30 to 32\n", "connecting failed connecting connected ready\n"
    assert.equal(refused .. refused .. "1 1\n" .. back .. back, shim.run("clock_probe", WRONG, broker.uri, correct))
  end)

  it("are asked for before every attempt, the first included, and the fresh ones are used", function()
    local broker = start("kitchen", "third")
    holdfast.run(function()
      local asked, passwords = {}, { "first", "second", "third", "fourth" }
      local client = holdfast.new {
        server = broker.uri, policy = QUICK, backoff = { min = 0.1, max = 0.1, jitter = "none" },
        credentials = function(attempt)
          asked[#asked + 1] = attempt
          holdfast.sleep(0.2) -- a token is fetched somewhere
          return "kitchen", passwords[math.min(attempt, 4)]
        end,
      }
      local seen = diary.of(client)
      local began = now()
      client:start()
      assert.is_true(seen:await("failed").at - began >= 0.2, "the first attempt did not wait")
      seen:await "ready"
      assert.are.same({ 1, 2, 3 }, asked)
      assert.are.equal("connecting failed connecting failed connecting connected ready", seen:words())
      for _, entry in ipairs(seen:all "failed") do
        assert.are.equal("not_authorized", entry.event.reason.name)
      end
      broker.correct "fourth"
      broker:restart()
      seen:await("ready", 2)
      assert.are.equal(4, asked[4])
      client:close(1)
    end)
  end)

  it("that cannot be had, or come too late, are reasons like any other", function()
    local broker = start("kitchen", "right")
    holdfast.run(function()
      local seen
      local turn, turn_then = 0, nil
      local answers = {
        function() return nil, "the token server is down" end,
        function() error "no such file" end,
        function() return 42 end,
        function() -- until two attempts have been given up meanwhile
          seen:await("failed", seen:count "failed" + 2, 60)
          turn_then = turn
          return "kitchen", "right"
        end,
        function() return "kitchen", "right" end, -- where the latest attempt had too little time left for a connection
      }
      local client = holdfast.new {
        server = broker.uri, policy = QUICK, connect_timeout = 0.5, backoff = { min = 0.1, max = 0.1 },
        credentials = function()
          turn = turn + 1
          return answers[math.min(turn, #answers)]()
        end,
      }
      local errors = {}
      seen = diary.of(client)
      client:on("error", function(event) errors[#errors + 1] = event.message end)
      client:start()
      seen:await("ready", 1, 60)
      local told, late = {}, 0
      for _, entry in ipairs(seen:all "failed") do
        local reason = entry.event.reason
        if reason.name == "credentials_timeout" then -- before the answer to any question, where the machine is slow
          assert.are.equal("slow", reason.class)
          late = late + 1
        else
          told[#told + 1] = reason.class .. " " .. reason.name .. ": " .. reason.text:gsub("^.-: ", "")
        end
      end
      assert.are.equal("slow credentials_failed: the token server is down", told[1])
      assert.matches("^slow credentials_failed: no such file", told[2])
      assert.matches("^slow credentials_failed: the user name must be a string", told[3])
      assert.is_true(late >= 2)
      -- The one question was open, and not asked again.
      assert.are.equal(4, turn_then)
      assert.are.equal(1, #errors)
      assert.matches("no such file", errors[1])
      client:close(1)
    end)
  end)

  it("that are being fetched hold up neither close nor another client", function()
    local broker = start("kitchen", "right")
    holdfast.run(function()
      local slow = holdfast.new {
        server = broker.uri, credentials = function() holdfast.sleep(60) return "kitchen", "right" end,
      }
      local seen = diary.of(slow)
      slow:start()
      seen:await "connecting"
      local other = holdfast.new { server = broker.uri, username = "kitchen", password = "right" }
      local began = now()
      assert(other:connect(5))
      assert(slow:close(1))
      seen:await "closed"
      assert.is_true(now() - began < 2)
      other:close(1)
    end)
  end)
end)
