-- `holdfast.prometheus`: well formed whatever clients are called, and it says what `metrics` and status say.
local whole = require "spec.support.whole"
local openmetrics = require "spec.support.openmetrics"

local holdfast = whole.holdfast
local exposition = require "holdfast.exposition"
local families = require "holdfast.families"

describe("prometheus", function()
  local world

  before_each(function()
    collectgarbage()
    collectgarbage()
    world = whole.new()
  end)

  after_each(function()
    world:finish()
  end)

  local function read(options)
    local text, content_type = holdfast.prometheus(options)
    local format = options and options.format or "openmetrics"
    assert.equal(exposition.content_types[format], content_type)
    return openmetrics.read(text, format)
  end

  -- A client that has been through an outage and has messages waiting.
  local function experienced(changes)
    local client = world:client(changes)
    whole.probe.script { connect = "refuse", source = "network", code = 2 }
    client:start()
    world:pass(0.5)
    whole.probe.script { connect = "accept" }
    world:pass(60)
    return client
  end

  it("is well formed in both formats, with the types, units and labels that are said", function()
    experienced { client_id = "one" }
    for _, format in ipairs { "openmetrics", "text" } do
      local found = read { format = format }
      for _, family in ipairs(families) do
        local name = family.name .. (format == "text" and ({ counter = "_total", info = "_info" })[family.type] or "")
        local there = found.families[name]
        local is_by_reason = family.labels[1] == "source"
        assert.is_truthy(there or is_by_reason, name)
        if there then
          assert.same({ family.help, format == "openmetrics" and family.unit or nil }, { there.help, there.unit })
          for _, sample in ipairs(there.samples) do
            for _, label in ipairs(family.labels) do
              assert.is_truthy(sample.labels[label], name)
            end
            assert.equal(family.of == "client" and "one" or nil, sample.labels.client)
          end
        end
      end
    end
  end)

  it("says what metrics and status say", function()
    local before = holdfast.metrics()
    local client = experienced { client_id = "one", max_attempts = 3 }
    whole.probe.script { connect = "refuse", source = "connack", code = 0x85 }
    whole.probe.drop(1, "network", 9)
    world:pass(30)
    client:post("t", "12345", { qos = 1 })
    world:pass(2.5)
    local found, totals, status = read(), holdfast.metrics(), client:status()
    assert.equal("sleeping", status.state)
    assert.equal(1, found:value("holdfast_clients_by_state", { state = "sleeping" }))
    assert.equal(1, found:value("holdfast_client_state", { holdfast_client_state = "sleeping" }))
    assert.equal(0, found:value("holdfast_client_state", { holdfast_client_state = "connected" }))
    assert.equal(0, found:value "holdfast_client_ready")
    assert.equal(status.counters.attempts, totals.attempts - before.attempts)
    assert.equal(totals.attempts, found:value "holdfast_attempts_total")
    assert.equal(status.counters.attempts, found:value "holdfast_client_attempts_total")
    assert.equal(status.counters.losses, found:value "holdfast_client_losses_total")
    assert.equal(status.downtime, found:value "holdfast_client_downtime_seconds_total")
    assert.equal(totals.downtime, found:value "holdfast_downtime_seconds_total")
    assert.same({ messages = 1, bytes = status.queued.bytes, oldest = 2.5 }, totals.queued)
    assert.equal(2.5, found:value "holdfast_queue_oldest_seconds")
    assert.equal(status.queued.bytes, found:value "holdfast_client_queue_bytes")
    for _, reason in ipairs(totals.reasons) do
      local labels = { source = reason.source, reason = reason.name }
      assert.equal(reason.failures, found:value("holdfast_failures_total", labels) or 0)
      assert.equal(reason.losses, found:value("holdfast_losses_total", labels) or 0)
    end
    assert.is_true(found:value("holdfast_failures_total", { source = "connack", reason = "client_id_not_valid" }) >= 1)
    for cause, count in pairs(totals.drops) do
      assert.equal(count, found:value("holdfast_messages_dropped_total", { cause = cause }))
    end
  end)

  it("has a histogram whose last bucket is infinite and has all", function()
    local client = experienced { client_id = "one" }
    client:subscribe("#", function() end)
    world:pass(1)
    local before = holdfast.metrics().dispatch.count
    for _ = 1, 3 do -- which are handed out together
      whole.probe.send("t", "x", 0)
    end
    world:pass(1)
    local found = read()
    assert.equal(3, found:value "holdfast_dispatch_seconds_count" - before)
    assert.equal(holdfast.metrics().dispatch.count, found:value "holdfast_dispatch_seconds_count")
    assert.equal(holdfast.metrics().dispatch.count, found:value("holdfast_dispatch_seconds_bucket", { le = "+Inf" }))
    assert.is_truthy(found:value("holdfast_dispatch_seconds_bucket", { le = "1.0" })) -- canonical
  end)

  it("tells clients with one id apart, whatever they are called", function()
    local names = {}
    local again = "twin #" .. world:client({ client_id = "twin" }).handle:id() + 1
    world:client { client_id = "twin" }
    world:client { client_id = again }
    world:client { client_id = [[\"}, holdfast_client_ready 1 \n]] }
    world:client { client_id = ("\195\164"):rep(40) } -- longer than what is shown, which ends within a character
    world:client { client_id = ("\195\164"):rep(31) .. "\197\130" } -- cut before its last byte, too
    for _, sample in ipairs(read().families.holdfast_client_ready.samples) do
      names[#names + 1] = sample.labels.client
    end
    assert.truthy(table.remove(names):find("^" .. names[5] .. " #%d+$"))
    assert.same({ "twin", again, again .. names[3]:match "^twin #%d+( #%d+)$", [[\"}, holdfast_client_ready 1 \n]],
      ("\195\164"):rep(31) .. "\239\191\189" }, names)
  end)

  it("escapes what must be, and replaces what is no text", function()
    local function written(value)
      return exposition.labels { "a", value, "b", "2" }
    end
    assert.equal([[a="\\\"\n",b="2"]], written '\\"\n')
    assert.equal('a="\195\164\239\191\189",b="2"', written "\195\164\195")
    assert.equal('a="a\239\191\189b",b="2"', written "a\255b")
    assert.equal('a="\239\191\189",b="2"', written "\0")
    assert.equal("", exposition.labels {})
  end)

  it("lists as many clients as it is told to, the oldest first, and says how many it has left out", function()
    for number = 1, 3 do
      world:client { client_id = "c" .. number }
    end
    local function listed(clients)
      local found, names = read { clients = clients }, {}
      for _, sample in ipairs((found.families.holdfast_client_ready or { samples = {} }).samples) do
        names[#names + 1] = sample.labels.client
      end
      return { table.concat(names, " "), found:value "holdfast_clients_unlisted" }
    end
    assert.same({ "c1 c2 c3", 0 }, listed())
    assert.same({ "c1 c2", 1 }, listed(2))
    assert.same({ "", 3 }, listed(0))
    assert.equal(3, read({ clients = 0 }):value("holdfast_clients_by_state", { state = "idle" }))
  end)

  it("puts the labels that it is given on every series", function()
    world:client { client_id = "one" }
    for _, family in pairs(read({ labels = { app = 'a "b"', zone = "1" } }).families) do
      for _, sample in ipairs(family.samples) do
        assert.same({ 'a "b"', "1" }, { sample.labels.app, sample.labels.zone })
      end
    end
  end)

  it("no longer has a client that is closed", function()
    local client = world:client { client_id = "one" }
    client:close(0)
    assert.is_nil(read().families.holdfast_client_ready)
    assert.same({ idle = 0, connecting = 0, connected = 0, waiting = 0, sleeping = 0 }, holdfast.metrics().states)
  end)

  it("refuses what is no option", function()
    local function refusal(options)
      local fine, problem = pcall(holdfast.prometheus, options)
      return not fine and problem:match "prometheus: (.*)"
    end
    assert.equal('format must be "openmetrics" or "text", got "json"', refusal { format = "json" })
    assert.equal('unknown option "label"; did you mean "labels"?', refusal { label = {} })
    assert.equal("clients must be a whole number from 0 to 4,294,967,295, got -1", refusal { clients = -1 })
    assert.equal("labels must be a table of names and values, got 5", refusal { labels = 5 })
    assert.equal('labels must have names of letters, digits and _ that begin with a letter, got "a b"',
      refusal { labels = { ["a b"] = "x" } })
    assert.equal("labels must leave client to the metrics themselves", refusal { labels = { client = "x" } })
    assert.equal("labels must have strings for values, got 5 for app", refusal { labels = { app = 5 } })
  end)
end)
