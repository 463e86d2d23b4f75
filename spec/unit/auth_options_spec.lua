-- The option `auth`: what goes with what, and what the core gets of it.
local fake_core = require "spec.support.fake_core"

describe("auth", function()
  local core, holdfast

  before_each(function()
    core, holdfast = fake_core.install()
  end)

  after_each(fake_core.remove)

  local function settings(auth)
    holdfast.new { server = "mqtt://x", transport = "native", auth = auth }
    return core.clients[core.made].settings.auth
  end

  it("has the names of SCRAM, and functions are asked for by the core where there is a first word", function()
    assert.same({ method = "SCRAM-SHA-512", username = "u", password = "p", ask_first = false },
      settings { method = "SCRAM-SHA-512", username = "u", password = "p" })
    local given = { method = "SCRAM-SHA-512", username = "u\194\170", password = "I\194\173X" }
    assert.same({ method = "SCRAM-SHA-512", username = "ua", password = "IX", ask_first = false }, settings(given))
    assert.equal("I\194\173X", given.password)
    assert.same({ method = "K", ask_first = true }, settings { method = "K", start = print })
    assert.same({ method = "K", ask_first = false }, settings { method = "K", continue = print })
  end)

  for _, case in ipairs {
      { { auth = { method = "SCRAM-SHA-256", username = "u", password = "S3CRET" }, transport = "paho" },
        'auth: Paho has no enhanced authentication; say transport = "native"' },
      { { auth = { method = "K", start = print }, transport = "native", protocol = 4 },
        "auth needs protocol = 5: MQTT 3.1.1 has no enhanced authentication" },
      { { auth = { method = "K", start = print }, transport = "native", fallback = true },
        "auth does not go with fallback, which may lead to MQTT 3.1.1, and that has none" },
      { { auth = { method = "SCRAM-SHA-1", username = "u" }, transport = "native" },
        'auth.method = "SCRAM-SHA-1" needs auth.username and auth.password' },
      { { auth = { method = "K", username = "u", password = "S3CRET" }, transport = "native" },
        'auth.method = "K" needs auth.start, auth.continue or both; SCRAM-SHA-1, SCRAM-SHA-256 and SCRAM-SHA-512 are '
          .. "built in, with -PLUS and without" },
      { { auth = { method = "SCRAM-SHA-256-PLUS-PLUS", username = "u", password = "S3CRET" }, transport = "native" },
        'auth.method = "SCRAM-SHA-256-PLUS-PLUS" needs auth.start, auth.continue or both; SCRAM-SHA-1, SCRAM-SHA-256 '
          .. "and SCRAM-SHA-512 are built in, with -PLUS and without" },
      { { auth = { method = "SCRAM-SHA-256-PLUS", username = "u", password = "S3CRET" }, transport = "native" },
        'auth.method = "SCRAM-SHA-256-PLUS" is bound to TLS, and mqtt://x has none; say mqtts://, wss:// or quic://, '
          .. "or leave -PLUS out" },
      { { auth = { method = "SCRAM-SHA-1", username = "u\216\167\49", password = "S3CRET" }, transport = "native" },
        "auth.username goes from left to right and from right to left in a way that RFC 4013 prohibits" },
      { { auth = { method = "SCRAM-SHA-1", username = "u", password = "S3CRET\7" }, transport = "native" },
        "auth.password has a control character, which RFC 4013 prohibits" },
      { { auth = { method = "K", continue = print, password = "S3CRET" }, transport = "native" },
        "auth.username and auth.password do not go with functions, which say what they want" },
      { { auth = { username = "u" }, transport = "native" }, "auth.method is missing" },
      { { auth = { method = "SCRAM-SHA-1", username = (","):rep(20001), password = "S3CRET" }, transport = "native" },
        "auth.username must be at most 20,000 bytes long, got 20,001" },
      { { auth = { method = "SCRAM-SHA-1", username = ("\239\183\186"):rep(607), password = "S3CRET" },
        transport = "native" }, -- U+FDFA, one of which is 18 characters then
        "auth.username must be at most 20,000 bytes long in the form of RFC 4013, got 20,031" },
  } do
    it("is refused: " .. case[2]:sub(1, 60), function()
      case[1].server = "mqtt://x"
      local fine, problem = pcall(holdfast.new, case[1])
      assert.is_false(fine)
      assert.equal("holdfast.new: " .. case[2], problem)
      assert.is_nil(problem:find("S3CRET", 1, true))
    end)
  end
end)
