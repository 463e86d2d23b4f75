-- QUIC is in a module of its own: what is said where that is missing, or is not ours.
local core = require "holdfast.core"
local holdfast = require "holdfast"
local probe = require "quic_probe"

describe("a server that is reached by QUIC", function()
  local cpath, path = package.cpath, package.path

  after_each(function()
    package.cpath, package.path = cpath, path
    package.loaded["holdfast.quic"], package.preload["holdfast.quic"] = nil, nil
  end)

  local function problem(options)
    options.transport = options.transport or "native"
    local fine, said = pcall(holdfast.new, options)
    assert.is_false(fine)
    return (said:gsub("^.-holdfast%.new: ", ""))
  end

  local MISSING = "QUIC is in the module holdfast.quic, which the package holdfast-quic brings (luarocks install "
    .. "holdfast-quic, or make where ngtcp2 and GnuTLS are)"

  it("wants that module, and says which package brings it", function()
    package.cpath = ""
    assert.equal("server is reached by QUIC, and " .. MISSING, problem { server = "quic://localhost" })
    assert.equal("servers in place 2 is reached by QUIC, and " .. MISSING,
      problem { servers = { "mqtt://localhost", "quic://localhost" } })
  end)

  it("says why the module cannot be loaded", function()
    package.preload["holdfast.quic"] = function() error("libngtcp2.so.9: no such file\nand more", 0) end
    assert.equal("server is reached by QUIC, and " .. MISSING .. ", which cannot be loaded: libngtcp2.so.9: no such "
      .. "file", problem { server = "quic://localhost" })
  end)

  it("takes a module of the same version alone, and one of them in a process", function()
    local function problem_of(part)
      package.preload["holdfast.quic"] = function() return { part = part } end
      package.loaded["holdfast.quic"], package.loaded["holdfast.join"] = nil, nil
      return require("holdfast.join").problem "quic"
    end
    local own = package.loaded["holdfast.join"]
    finally(function() package.loaded["holdfast.join"] = own end)
    local OTHER = "holdfast.quic does not fit: it is of another version of holdfast: "
    assert.equal(OTHER .. "its seam is 4, here it is 3", problem_of(probe.part { seam = 1 }))
    assert.equal(OTHER .. "its structs are others", problem_of(probe.part { layout = 1 }))
    assert.equal(OTHER .. "it finds that we do not fit", problem_of(probe.part { refuses = true }))
    local one = probe.part {}
    assert.is_nil(problem_of(one))
    assert.is_nil(problem_of(one))
    assert.equal("holdfast.quic does not fit: another one is loaded in this process", problem_of(probe.part {}))
  end)

  it("is not for Paho, nor goes it by a proxy, nor by what its TLS has not", function()
    assert.equal('server is reached by QUIC, which Paho does not go by; say transport = "native"',
      problem { server = "quic://localhost", transport = "paho" })
    package.preload["holdfast.quic"] = function() return { part = nil } end
    local joins = core.join_quic
    core.join_quic = function() end
    finally(function() core.join_quic = joins end)
    assert.equal("proxy is given, but no server is reached by one: that takes TCP",
      problem { server = "quic://localhost", proxy = "http://localhost:1" })
    assert.equal("tls.ocsp does not go with a server that is reached by QUIC: it does not ask for that",
      problem { server = "quic://localhost", tls = { ocsp = "require" } })
    assert.equal("tls.psk_key does not go with a server that is reached by QUIC: it has certificates only",
      problem { server = "quic://localhost", tls = { psk_key = "00", psk_identity = "a" } })
    assert.equal("tls.key is a token's, which does not go with a server that is reached by QUIC; name a file",
      problem { server = "quic://localhost", tls = { cert = "a.pem", key = "pkcs11:object=a" } })
  end)
end)
