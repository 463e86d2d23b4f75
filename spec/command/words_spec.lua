-- The command line of `holdfast`: what is read from it, what is said of a mistake in it, and what is shown.
local command = require "holdfast.command"
local core = require "holdfast.core"

-- Collects what is written.
local function sink()
  return { words = "", flush = function() return true end, write = function(self, ...)
    self.words = self.words .. table.concat({ ... })
  end }
end

local function run(...)
  local out, err = sink(), sink()
  local status = command.main({ ... }, out, err)
  return status, out.words, err.words
end

local function parsed(name, ...)
  local probe = require "argparse"("probe"):add_help(false)
  require("holdfast.command." .. name).declare(probe)
  return probe:parse { ... }
end

describe("the command holdfast", function()
  it("tells its version, and of each subcommand what it does, with an example", function()
    local status, out = run "--version"
    assert.same({ 0, "holdfast " .. core.VERSION .. "\n" }, { status, out })
    status, out = run "--help"
    assert.equal(0, status)
    for _, name in ipairs(command.names) do
      assert.truthy(out:find("\n   " .. name .. " ", 1, true), name)
      local its_status, its_out = run(name, "--help")
      assert.equal(0, its_status)
      assert.truthy(its_out:find("Usage: holdfast " .. name .. " [OPTION ...]", 1, true), its_out)
      for _, example in ipairs(require("holdfast.command." .. name).examples or {}) do
        assert.truthy(its_out:find(example[2], 1, true), example[2])
      end
    end
  end)

  it("names the option, what was wanted and what came", function()
    for words, said in pairs {
      ["sub -t a -q 3"] = '--qos wants 0, 1 or 2, got "3"',
      ["sub -t a -p x"] = '--port wants a whole number from 1 to 65,535, got "x"',
      ["pub -t a -m x --ttl 4294968"] = '--ttl wants a number of seconds from 0.001 to 4,294,967, got "4294968"',
      ["sub -t a -W -1"] = '-W wants a number of seconds of at least 0, got "-1"',
      ["pub -t a -m x -V 3"] = '--protocol-version wants mqttv5 or mqttv311, got "3"',
      ["sub -t"] = "option '-t' requires an argument",
      ["pub -t a --mesage x"] = "unknown option '--mesage'\nDid you mean '--message'?",
      ["bench"] = "missing argument 'url'",
      ["nothing"] = "unknown command 'nothing'",
    } do
      local list = {}
      for word in words:gmatch "%S+" do
        list[#list + 1] = word
      end
      local status, _, err = run((table.unpack or unpack)(list))
      assert.equal(2, status, words)
      local name = list[1] ~= "nothing" and list[1] .. ": " or ""
      assert.truthy(err:find("holdfast " .. name, 1, true) == 1 or name == "" and err:find "^holdfast: ", err)
      assert.truthy(err:find(said, 1, true), err)
      assert.truthy(err:find(" --help tells more\n$"), err)
    end
  end)

  it("says which package it misses", function()
    local argparse = package.loaded.argparse
    package.loaded.argparse, package.preload.argparse = nil, function() error "no such thing" end
    local status, _, err = run "--version"
    package.loaded.argparse, package.preload.argparse = argparse, nil
    assert.equal(1, status)
    assert.truthy(err:find("lua-argparse", 1, true) and err:find("luarocks install argparse", 1, true), err)
  end)

  it("says so where what was done cannot be written", function()
    local check = require "holdfast.command.check"
    local run_one = check.run
    for status, wanted in pairs { [0] = 1, [12] = 12 } do
      check.run = function() return status end
      local out, err = sink(), sink()
      out.flush = function() return nil, "No space left on device" end
      assert.equal(wanted, command.main({ "check", "mqtt://a" }, out, err))
      assert.equal(wanted == 1 and "holdfast check: the standard output: No space left on device\n" or "", err.words)
    end
    check.run = run_one
  end)

  it("takes a word after an option that wants one for that, whatever it begins with", function()
    local pub = require "holdfast.command.pub"
    local run_one, got = pub.run, nil
    pub.run = function(arguments)
      got = arguments
      return 0
    end
    assert.equal(0, run("pub", "-t", "a", "-m", "-5", "--file", "--odd"))
    pub.run = run_one
    assert.same({ "a", "-5", "--odd" }, { got.topic, got.message, got.file })
  end)
end)

describe("the options of the command", function()
  local options = require "holdfast.command.options"

  local function client(...)
    local arguments = parsed("watch", ...)
    return options.client(arguments)
  end

  it("become those of holdfast.new", function()
    assert.same({ servers = { "mqtt://a", "mqtt://b:1" }, fallback = true }, client("mqtt://a", "mqtt://b:1"))
    assert.same({ servers = { "mqtts://a" }, protocol = 4, username = "me", password = "p@", client_id = "c",
      keep_alive = 7, tls = { ca = "ca.pem", verify = false, alpn = { "mqtt" } },
      will = { topic = "gone", payload = "x", qos = 1, retain = true } },
      client("-V", "311", "-u", "me", "-P", "p@", "-i", "c", "-k", "7", "--cafile", "ca.pem", "--insecure",
        "--tls-alpn", "mqtt", "--will-topic", "gone", "--will-payload", "x", "--will-qos", "1",
        "--will-retain", "mqtts://a"))
    local made = client "mqtt://me:p%40%3A@host:1883"
    assert.same({ { "mqtt://host:1883" }, "me", "p@:" }, { made.servers, made.username, made.password })
  end)

  it("leave the transport to holdfast.new unless one is named", function()
    assert.equal(nil, client("mqtt://b").transport)
    assert.equal("paho", client("--transport", "paho", "mqtt://b").transport)
  end)

  it("that exclude or need each other are named", function()
    for said, words in pairs {
      ["--cafile and --capath exclude each other; keep one"] = { "--cafile", "a", "--capath", "b", "mqtts://a" },
      ["--disable-clean-session needs --id: the broker knows a session by no other name"] = { "-c", "mqtt://a" },
      ["--will-payload, --will-qos and --will-retain need --will-topic"] = { "--will-qos", "1", "mqtt://a" },
      ["--password-file: /nowhere: No such file or directory"] = { "--password-file", "/nowhere", "mqtt://a" },
    } do
      local made, problem = client((table.unpack or unpack)(words))
      assert.same({ nil, said }, { made, problem })
    end
  end)

  it("are called by their own names where the library complains", function()
    assert.equal("--cafile must be a string, got 1", options.translated(
      "x.lua:1: holdfast.new: tls.ca must be a string, got 1"))
  end)

  it("of the broker are an address", function()
    local broker = require "holdfast.command.broker"
    local function address(...)
      local arguments = parsed("sub", ...)
      local topic, problem = broker.resolve(arguments)
      return problem or table.concat(arguments.url, " "), topic
    end
    assert.equal("mqtt://localhost", address())
    assert.equal("mqtt://a:1", address("-h", "a", "-p", "1"))
    assert.equal("mqtts://[::1]", address("-h", "::1", "--cafile", "x"))
    assert.equal("mqtt+srv://a", address("-h", "a", "-S"))
    assert.equal("unix:///run/a", address("--unix", "/run/a"))
    assert.same({ "mqtts://me:x@a:2 ws://b/c", "d/é" },
      { address("-L", "mqtts://me:x@a:2/d/%C3%A9", "-L", "ws://b/c") })
    assert.truthy(address("-h", "a", "-L", "mqtt://b"):find("exclude each other", 1, true))
    assert.truthy(address("-S", "-p", "1"):find("leave --port out", 1, true))
  end)

  it("of MQTT 5 are properties", function()
    local properties = require "holdfast.command.properties"
    local found = assert(properties.read({ { "PUBLISH", "content-type", "text/plain" },
      { "publish", "user-property", "a", "b" }, { "CONNECT", "session-expiry-interval", "60" },
      { "will", "payload-format-indicator", "1" } }, { "connect", "publish", "will" }))
    assert.same({ publish = { content_type = "text/plain", user = { { "a", "b" } } },
      connect = { session_expiry = 60 }, will = { payload_format = "utf8" } }, found)
    local function problem(...)
      return select(2, properties.read({ { ... } }, { "connect", "publish" }))
    end
    assert.equal('--property publish message-expiry-interval wants a whole number of seconds, got "x"',
      problem("PUBLISH", "message-expiry-interval", "x"))
    assert.truthy(problem("PUBLISH", "content-typ", "x"):find('did you mean "content-type"?', 1, true))
    assert.truthy(problem("SUBSCRIBE", "user-property", "x", "y"):find("unknown packet", 1, true))
    assert.equal("--property publish user-property wants a name and a value", problem("PUBLISH", "user-property", "x"))
    assert.equal("--property of a publish: response_topic must not contain the wildcards '+' and '#', got \"a/#\"",
      problem("PUBLISH", "response-topic", "a/#"))
  end)
end)

describe("what the command prints", function()
  local format = require "holdfast.command.format"
  local json = require "holdfast.command.json"

  local message = { topic = "a/b", payload = "x\0\255", qos = 1, retain = true,
    properties = { content_type = "t", user = { { "k", "v" } } } }

  it("of a message has mosquitto_sub's formats", function()
    assert.equal("a/b 1 1 3 7800ff 7800FF t k:v % x\0\255\t",
      format.read "%t %q %r %l %x %X %C %P %% %p\\t"(message, 0))
    assert.equal("0", format.read "%U"(message, 0))
    local made, problem = format.read "%y"
    assert.same({ nil, "--format: %y is unknown" }, { made, problem:match "^.-unknown" })
    assert.truthy(select(2, format.read "%@1"):find "a letter of strftime is wanted")
  end)

  it("as JSON is text or base64, in an order", function()
    local line = format.json(message, 0)
    assert.equal('"topic":"a/b","qos":1,"retain":true,"payload_bytes":3,"payload_base64":"eAD/",'
      .. '"properties":{"content_type":"t","user":[["k","v"]]}}', line:match '^{"time":"[^"]+",(.*)$')
    assert.equal('"a\\"\\\\\\u0001\\né"', json.value "a\"\\\1\né")
    assert.same({ true, false }, { json.is_text "\1é\127", json.is_text "\195\1\169" })
    assert.equal("[1,0.250000,null,true]", json.value { 1, 0.25, 0 / 0, true })
    for bytes, digits in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foobar = "Zm9vYmFy" } do
      assert.equal(digits, json.base64(bytes)) -- RFC 4648 section 10
    end
  end)

  it("of a bench are percentiles that are times which were measured", function()
    local percentiles = require("holdfast.command.bench").percentiles
    local times = {}
    for place = 1, 1000 do
      times[place] = (1001 - place) / 1000
    end
    assert.same({ p50 = 0.5, p90 = 0.9, p99 = 0.99, p99_9 = 0.999, max = 1 }, percentiles(times))
    assert.same({ p50 = 7, p90 = 7, p99 = 7, p99_9 = 7, max = 7 }, percentiles { 7 })
    assert.equal(nil, percentiles {})
  end)

  describe("on a terminal", function()
    local view = require "holdfast.command.view"

    local function model(changes)
      local made = { servers = { "mqtt://a" }, rate = 1.5, messages = 1234, watched = 100, downtime = 1, happened = {},
        filters = true, lag = { newest = 0.0012, median = 0.001, most = 0.2, count = 3 }, status = { state = "waiting",
          ready = false, server = "mqtt://a", transport = "native", protocol = 5, client_id = "me", attempt = 3,
          retry_in = 4.26, since = 61, counters = { attempts = 5, connects = 2, losses = 2 } } }
      for key, value in pairs(changes or {}) do
        made[key] = value
      end
      return made
    end

    it("is what there is to know, in plain words", function()
      local words = { [0.85] = "850 ms", [59.9] = "59.9 s", [60] = "1 min 0 s", [18600] = "5 h 10 min" }
      for seconds, shown in pairs(words) do
        assert.equal(shown, view.duration(seconds))
      end
      assert.same({ "holdfast watch mqtt://a, MQTT 5 over native, as me", "  state     waiting for 1 min 1 s",
        "  attempts  5 made, 2 succeeded, 2 lost again", "  next      attempt 4 in 4.3 s",
        "  rate      1.5 messages a second, 1,234 in all",
        "  lag       1.20 ms (median 1.00 ms, most 200 ms of the last 3): a message to itself and back",
        "  ready     99.0 % of 1 min 40 s; it was away for 1.0 s" }, view.lines(model(), 100, 24, false))
      local lines = view.lines(model { filters = false, lag = { why = "not known yet" } }, 100, 24, false)
      assert.same({ "  rate      nothing is subscribed (-t FILTER)", "  lag       not known yet" },
        { lines[5], lines[6] })
    end)

    it("is never wider or higher than that, nor steered by what a broker says", function()
      local happened = {}
      for place = 1, 50 do
        happened[place] = { "12:00:00", "lost", ("\27[2Jé"):rep(50) .. place, "bad" }
      end
      for _, size in ipairs { { 40, 24 }, { 80, 12 }, { 10, 8 }, { 80, 6 } } do
        local lines = view.lines(model { happened = happened }, size[1], size[2], false)
        assert.is_true(#lines < size[2], #lines) -- or it scrolls with each picture
        for _, line in ipairs(lines) do
          local _, wide = line:gsub("[^\128-\191]", "")
          assert.is_true(wide < math.max(11, size[1]), line)
          assert.falsy(line:find "%c")
        end
      end
      local coloured = table.concat(view.lines(model { happened = happened }, 80, 24, true))
      assert.falsy(coloured:find("\27[2J", 1, true))
      assert.truthy(coloured:find("\27[31mwaiting\27[0m", 1, true))
    end)

    it("is drawn over what was there", function()
      assert.equal("\ra\27[K\n\27[J", view.drawn({ "a" }, 0))
      assert.equal("\27[7A\ra\27[K\n\rb\27[K\n\27[J", view.drawn({ "a", "b" }, 7))
    end)
  end)
end)
