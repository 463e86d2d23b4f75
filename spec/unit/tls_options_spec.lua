-- What `tls` takes over our own transport, and what Paho is told that it cannot do.
local options = require "holdfast.options"

local PIN = ("A"):rep(43) .. "="
local PEM = "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIG\n-----END PRIVATE KEY-----\n"

describe("options of tls", function()
  local function check(tls, transport)
    return options.check { server = "mqtts://x", transport = transport or "native", tls = tls }
  end

  local function refusal(tls, transport)
    local values, problem = check(tls, transport)
    assert.is_nil(values)
    return problem
  end

  it("take PEM for a file, and a pin or several", function()
    local values = assert(check { ca = PEM, cert = PEM, key = PEM, pin = PIN })
    assert.are.same({ ca = PEM, cert = PEM, key = PEM, pin = { PIN }, verify = true }, values.tls)
    values = assert(check { crl = "/etc/list", ocsp = "require" })
    assert.are.same({ crl = "/etc/list", ocsp = "require", verify = true }, values.tls)
    assert.are.same({ PIN, PIN }, assert(check { pin = { PIN, PIN } }).tls.pin)
  end)

  local BARE = "tls.key must be the name of a file, or PEM, with the lines that begin with -----BEGIN and -----END"

  it("are refused where they are none, and nothing of PEM is shown", function()
    local wanted = "tls.pin must be the base64 of a public key's SHA-256 (RFC 7469), 44 characters, "
      .. "or a list of such, got "
    for _, case in ipairs {
      { { pin = {} }, wanted .. "an empty table" },
      { { pin = { PIN, "x" } }, wanted .. '"x"' },
      { { pin = { PIN, nil, PIN } }, "tls.pin must be a list without gaps, got something in place 3 behind 1" },
      { { pin = { PIN, b = PIN } }, 'tls.pin must be a list without gaps, got something in place "b" behind 1' },
      { { pin = ("A"):rep(42) .. "B=" }, wanted .. '"' .. ("A"):rep(42) .. 'B="' },
      { { pin = true }, wanted .. "true" },
      { { cert = "c", key = "pkcs11:token=a b?pin-value=4321" },
        "tls.key is a URI (RFC 7512), and must not contain spaces or control characters" },
      { { cert = "pkcs11:token=a" }, "tls.cert cannot be a token's, only tls.key can; name a file, or give PEM text" },
      { { ocsp = "yes" }, 'tls.ocsp must be "ask" or "require", got "yes"' },
      { { crl = "" }, 'tls.crl must be the name of a file, or PEM text, got ""' },
      { { ca = 5 }, "tls.ca must be the name of a file, or PEM text, got 5" },
      { { cert = "" }, 'tls.cert must be the name of a file, or PEM text, got ""' },
      { { alpn = {} }, "tls.alpn must be a list of names, got an empty table" },
      { { alpn = { "mqtt", nil, "x" } }, "tls.alpn must be a list without gaps, got something in place 3 behind 1" },
      { { alpn = { [2] = "mqtt" } }, "tls.alpn must be a list without gaps, got something in place 2 behind 0" },
      { { alpn = { "mqtt", name = "x" } },
        'tls.alpn must be a list without gaps, got something in place "name" behind 1' },
      { { crl = "c", verify = false }, "tls.crl is about a chain, which verify = false does not look at" },
      { { ocsp = "ask", verify = false }, "tls.ocsp is about a chain, which verify = false does not look at" },
      { { psk_identity = "i", psk_key = "ab", ocsp = "ask" },
        "tls.psk_key takes the place of certificates; leave tls.ocsp out" },
      { { cert = PEM, key = PEM .. "\0" }, "tls.key is PEM, and must not contain a NUL" },
      { { cert = PEM, key = "MC4CAQAwBQYDK2VwBCIEIHb2Kk/0b+Z0aWvEJ0S7HbK7vYq5JmU4m0m3rQm0fZ5l" }, BARE },
      { { cert = PEM, key = "MHcCAQEEIG\nfoo" }, BARE },
      { { cert = PEM, key = "\48\46\2\1\0\48" }, BARE },
      { { psk_identity = "i", psk_key = "ab", pin = PIN },
        "tls.psk_key takes the place of certificates; leave tls.pin out" },
    } do
      assert.are.equal(case[2], refusal(case[1]))
    end
  end)

  it("are refused over Paho by name, with the way out", function()
    for _, case in ipairs {
      { { pin = PIN }, 'tls.pin: Paho does not look at keys; say transport = "native"' },
      { { cert = "c", key = "PKCS11:token=a" },
        'tls.key is a token\'s, and Paho reads files only; say transport = "native"' },
      { { crl = "c" }, 'tls.crl: Paho does not look for what is revoked; say transport = "native"' },
      { { ocsp = "ask" }, 'tls.ocsp: Paho does not ask for it; say transport = "native"' },
      { { ca = PEM }, 'tls.ca is PEM, and Paho reads files only; name one, or say transport = "native"' },
      { { cert = "c", key = PEM }, 'tls.key is PEM, and Paho reads files only; name one, or say transport = "native"' },
    } do
      assert.are.equal(case[2], refusal(case[1], "paho"))
    end
  end)
end)
