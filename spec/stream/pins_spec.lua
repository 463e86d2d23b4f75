-- Keys that a server must have, and certificates that are given as they are and not by the name of a file.
local certificates = require "spec.support.certificates"
local files = require "spec.support.files"
local process = require "process_probe"
local probe = require "stream_probe"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"

local OTHER = ("A"):rep(43) .. "="

describe("a TLS stream", function()
  local folder, world, server

  setup(function() folder = certificates.make() end)
  teardown(function() process.remove_folder(folder) end)

  before_each(function() world = streams.new() end)
  after_each(function()
    world:finish()
    tls_server.finish()
    collectgarbage()
  end)

  local function pem(name) return files.read(folder .. "/" .. name) end

  local function pin(name) return certificates.pin(folder, name) end

  local function start(certificate, ...)
    server = tls_server.start { folder = folder, certificate = certificate, ... }
  end

  local function meets(tls) return world:meets(server.port, probe.context(tls)) end

  for _, version in ipairs { "-tls1_2", "-tls1_3" } do
    it("knows a server by its key or its authority's, and none by another, with " .. version, function()
      local ca = folder .. "/ca.pem"
      start("server", version)
      for _, pins in ipairs { { pin "server" }, { OTHER, pin "server" }, { pin "ca" } } do
        assert.are.equal("open", meets { ca = ca, pin = pins })
        assert.are.equal("open", meets { ca = ca, pin = pins }) -- a session that is taken up
      end
      assert.are.equal(3, server:resumed(world, 6))
      assert.are.same({ "tls_pin", "its key is " .. pin "server" .. ": /CN=server" },
        { meets { ca = ca, pin = { OTHER, pin "client" } } })
      -- What is not verified proves nothing but its own key.
      assert.are.equal("open", meets { verify = false, pin = { pin "server" } })
      server:stop()
      start("server", version, "-cert_chain", ca)
      assert.are.equal("tls_pin", (meets { verify = false, pin = { pin "ca" } }))
    end)
  end

  it("takes PEM for each of its files", function()
    start("server", "-Verify", "1", "-verify_return_error", "-CAfile", folder .. "/ca.pem")
    local tls = { ca = pem "ca.pem", cert = pem "client.pem", key = pem "client.key", key_password = "secret" }
    assert.are.equal("open", meets(tls))
    tls.cert, tls.key = tls.cert .. tls.key, nil
    assert.are.equal("open", meets(tls))
    assert.are.equal("client client", server:seen())
    tls.cert = tls.cert .. pem "ca.pem"
    assert.are.equal("open", meets(tls))
  end)

  it("tells which of them is at fault, and nothing of what is in it", function()
    local key = pem "client.key"
    for _, case in ipairs {
      { { ca = key }, "tls.ca in memory: no certificate can be read from it (there is none)" },
      { { ca = pem "ca.pem", cert = key, key_password = "secret" },
        "tls.cert in memory: no certificate can be read from it (no start line)" },
      { { ca = pem "ca.pem", cert = pem "client.pem", key = key }, "tls.key in memory: it wants a tls.key_password" },
      { { ca = pem "ca.pem", cert = pem "client.pem", key = key, key_password = "wrong" },
        "tls.key in memory: tls.key_password is not its pass phrase" },
      { { ca = pem "ca.pem", cert = pem "client.pem", key = pem "server.key" },
        "tls.key in memory: not the key of the certificate in tls.cert" },
    } do
      assert.are.same({ n = 3, nil, "tls_file", case[2] }, { n = 3, probe.context(case[1]) })
    end
  end)
end)
