-- Certificates that have been revoked: by a list of ours, and by what the server brings along.
local certificates = require "spec.support.certificates"
local files = require "spec.support.files"
local handshakes = require "spec.support.handshakes"
local process = require "process_probe"
local probe = require "stream_probe"
local revocation = require "spec.support.revocation"
local streams = require "spec.support.streams"
local tls_server = require "spec.support.tls_server"

describe("a TLS stream", function()
  local folder, world, server

  setup(function()
    folder = certificates.make()
    revocation.make(folder)
  end)
  teardown(function() process.remove_folder(folder) end)

  before_each(function() world = streams.new() end)
  after_each(function()
    world:finish()
    tls_server.finish()
    collectgarbage()
  end)

  local function start(certificate, ...)
    if server then server:stop() end
    server = tls_server.start { folder = folder, certificate = certificate, ... }
  end

  local function context(tls)
    tls.ca = folder .. "/ca.pem"
    return probe.context(tls)
  end

  local function meets(tls) return world:meets(server.port, context(tls)) end

  for _, version in ipairs { "-tls1_2", "-tls1_3" } do
    describe(version, function()
      it("asks lists of revoked certificates, of which there must be one that speaks", function()
        start("server", version)
        for list, wanted in pairs {
          none = { "open" },
          revoked = { "tls_revoked", "certificate revoked: /CN=server" },
          past = { "tls_crl", "CRL has expired: /CN=server" },
          strange = { "tls_crl" },
        } do
          local reason, text = meets { crl = ("%s/%s.crl"):format(folder, list) }
          assert.are.same({ list, wanted[1], wanted[2] or text }, { list, reason, text })
          assert.are.equal(wanted[1], (meets { crl = files.read(("%s/%s.crl"):format(folder, list)) }))
        end
      end)

      it("requires an OCSP response, which must be good, its own, its issuer's and of these days", function()
        for response, wanted in pairs {
          good = { "open" },
          ["by.digest"] = { "open" },
          delegated = { "open" },
          revoked = { "tls_revoked", "by its own OCSP response: keyCompromise" },
          past = { "tls_ocsp", "its OCSP response is not of these days, or the clock is wrong (status expired)" },
          unknown = { "tls_ocsp", "its OCSP response does not know its certificate" },
          strange = { "tls_ocsp", "its OCSP response is not its issuer's (signature failure)" },
          other = { "tls_ocsp", "its OCSP response is about another certificate" },
          refused = { "tls_ocsp", "its OCSP response says nothing" },
        } do
          start("server", version, "-status_file", ("%s/%s.ocsp"):format(folder, response))
          for _, how in ipairs { "require", "ask" } do
            assert.are.same({ response, wanted[1], wanted[2] }, { response, meets { ocsp = how } })
          end
          if response == "good" then
            meets { ocsp = "require" } -- no session is taken up, since nothing would be proved by that
            assert.are.equal(0, server:resumed(world, 3))
          end
        end
      end)

      it("misses one that is required, or that the certificate promises", function()
        start("server", version)
        assert.are.same({ "tls_ocsp", "the server sends no OCSP response" }, { meets { ocsp = "require" } })
        assert.are.equal("open", meets { ocsp = "ask" })
        start("stapled", version)
        assert.are.same({ "tls_ocsp", "the server sends no OCSP response, and its certificate promises one" },
          { meets { ocsp = "ask" } })
        start("stapled", version, "-status_file", folder .. "/stapled.ocsp")
        assert.are.equal("open", meets { ocsp = "ask" })
      end)
    end)
  end

  it("reads a list anew when it has changed, whoever has a session there", function()
    local list = folder .. "/today.crl"
    files.write(list, files.read(folder .. "/none.crl"))
    start "server"
    assert.are.equal("open", meets { crl = list })
    assert.are.equal("open", meets { crl = list })
    assert.are.equal(1, server:resumed(world, 2))
    files.write(list, files.read(folder .. "/revoked.crl"))
    assert.are.equal("tls_revoked", (meets { crl = list }))
  end)

  it("takes up no session under a list that is out of date by then", function()
    start "server"
    local past = { crl = files.read(folder .. "/none.crl") .. files.read(folder .. "/past.crl") }
    assert.are.equal("open", meets(past)) -- the better list counts
    assert.are.equal("open", meets(past))
    assert.are.equal(0, server:resumed(world, 2))
  end)

  -- The soak in small.
  it("opens or fails by a name, whatever bytes of it have changed, and so does a WebSocket, open or not", function()
    local seed = os.time()
    local wanted = { tls = "tls_handshake", websocket = "websocket_handshake", frames = "websocket_violation" }
    local told = handshakes.attack { seed = seed, bytes = 1000, folder = folder, wanted = wanted }
    for road, reason in pairs(wanted) do
      assert.is_true(told[road].mutated >= 1000)
      assert.is_truthy(told[road].reasons[reason], ("seed %d"):format(seed))
    end
  end)

  it("tells that a list is none", function()
    local wanted = "tls.crl %s: no list of revoked certificates can be read from it (there is none)"
    local path = folder .. "/ca.pem"
    for name, source in pairs { [path] = path, ["in memory"] = files.read(path) } do
      assert.are.same({ n = 3, nil, "tls_file", wanted:format(name) }, { n = 3, context { crl = source } })
    end
    assert.are.equal("tls.crl /nowhere: No such file or directory", (select(3, context { crl = "/nowhere" })))
  end)
end)
