-- The small examples, run as their first lines say: #broker. (hello.lua has a spec of its own.)
local certificates = require "spec.support.certificates"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local tree = require "spec.support.tree"

describe("the example #broker", function()
  local address

  setup(function()
    address = "mqtt://127.0.0.1:" .. mosquitto.start().port
  end)

  teardown(mosquitto.finish)

  local function run(command)
    local lines, fine = tree.command((command:gsub("LUA", os.getenv "LUA"):gsub("ADDRESS", address)))
    assert.is_true(fine, table.concat(lines, "\n"))
    return lines
  end

  it("publish.lua publishes the lines it reads", function()
    assert.same({ "ready at " .. address, "2 lines on a/b" },
      run "printf 'one\\ntwo\\n' | LUA examples/publish.lua ADDRESS a/b")
  end)

  it("request_response.lua asks and is answered", function()
    local lines = run "LUA examples/request_response.lua ADDRESS"
    table.sort(lines)
    assert.same({ "1 + 2 = 3", "20 + 22 = 42", "3 + 4 + 5 = 12" }, lines)
  end)

  it("policy.lua asks for a token and is there, or backs off as it says", function()
    local there = run "LUA examples/policy.lua ADDRESS"
    assert.same({ "token for attempt 1", "ready after", "got as far as up" },
      { there[1], there[2]:match "^ready after", there[3]:match "got as far as up$" })
    local lines = run "LUA examples/policy.lua mqtt://127.0.0.1:1 4"
    assert.is_truthy(lines[2]:find "^failed: connect_failed %(retry%), again in [12]%.%d s$", lines[2])
    assert.are.equal("token for attempt 2", lines[3])
  end)

  it("tls.lua connects with one trusted certificate, and says what is wrong otherwise", function()
    local folder = certificates.make()
    finally(function() process.remove_folder(folder) end)
    local port = process.free_port()
    mosquitto.start { lines = { "listener " .. port .. " 127.0.0.1", "cafile " .. folder .. "/ca.pem",
      "certfile " .. folder .. "/server.pem", "keyfile " .. folder .. "/server.key", "require_certificate true" } }
    local secure = ("mqtts://localhost:%d %s/"):format(port, folder)
    local mine = (" %s/client.pem %s/client.key"):format(folder, folder)
    assert.same({ "ready at mqtts://localhost:" .. port },
      run("KEY_PASSWORD=secret LUA examples/tls.lua " .. secure .. "ca.pem" .. mine .. " 2>/dev/null"))
    local lines, fine = tree.command(os.getenv "LUA" .. " examples/tls.lua " .. secure .. "old.pem 2>&1")
    assert.is_false(fine)
    local said = "\n" .. table.concat(lines, "\n")
    assert.is_truthy(said:find("\nwarning attempt 1 failed: tls_unknown_ca (", 1, true), said)
    assert.is_truthy(said:find("\ntls_unknown_ca: asleep after tls_unknown_ca: ", 1, true), said)
  end)

  it("each has at most 60 lines", function()
    for _, name in ipairs { "hello", "policy", "publish", "request_response", "tls" } do
      local _, lines = tree.read("examples/" .. name .. ".lua"):gsub("\n", "")
      assert.is_true(lines <= 60, name)
    end
  end)
end)
