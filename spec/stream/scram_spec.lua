-- SCRAM: the examples of its RFCs, and servers that say what they should not.
local scram = require "scram_probe"

describe("SCRAM", function()
  local NONCE = "rOprNGfwEbeRWgbNEkqO"
  local WHOLE = NONCE .. "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

  it("says what RFC 5802 section 5 has", function()
    local nonce = "fyko+d2lbbFgONRv9qkxdawL"
    assert.equal("n,,n=user,r=" .. nonce, scram.first("user", nonce))
    assert.same({ "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
      "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" }, { scram.prove("SCRAM-SHA-1", "user", "pencil", nonce,
      "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096") })
  end)

  it("says what RFC 7677 section 3 has", function()
    assert.same({ "c=biws,r=" .. WHOLE .. ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" }, { scram.prove("SCRAM-SHA-256", "user", "pencil", NONCE,
      "r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") })
  end)

  it("does the same with SHA-512", function() -- as another program has computed it
    local proof = "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ=="
    local signature = "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw=="
    assert.same({ "c=biws,r=" .. WHOLE .. ",p=" .. proof, "v=" .. signature }, { scram.prove("SCRAM-SHA-512", "user",
      "pencil", NONCE, "r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") })
  end)

  -- RFC 9266 has no examples; as another program has computed it.
  it("signs what it is bound to", function()
    local binding = {}
    for n = 1, 32 do
      binding[n] = string.char(n - 1)
    end
    local bound = "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=" .. WHOLE .. ",p="
    assert.equal("p=tls-exporter,,n=user,r=" .. NONCE, scram.first("user", NONCE, true))
    for method, words in pairs {
      ["SCRAM-SHA-256-PLUS"] = { bound .. "QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
        "v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=" },
      ["SCRAM-SHA-512-PLUS"] = { bound
        .. "jVaGV/PIJ7hgkpxV9a1jdpzyYkHQH9gW6fn3DbAL2oEA+5w4CCSJjoq8G37bn2FsGaVEMsk4kiHRqMUoN/aiiA==",
        "v=bTvxua5nsJsvSd2bk+1WbSe84MBgjkACQPOqiN7MhTBLYxVX2QUqwET2NLcZEv2CfexR6NbAMluKltOEs5vLYw==" },
    } do
      assert.same(words, { scram.prove(method, "user", "pencil", NONCE, "r=" .. WHOLE
        .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", table.concat(binding)) })
    end
  end)

  it("writes commas and equals signs of a name otherwise", function()
    assert.equal("n,,n=a=2Cb=3Dc,r=x", scram.first("a,b=c", "x"))
  end)

  it("signs what it does not know behind the rest", function()
    local said = "r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    local _, expected = scram.prove("SCRAM-SHA-256", "user", "pencil", NONCE, said)
    local answer, other = scram.prove("SCRAM-SHA-256", "user", "pencil", NONCE, said .. ",x=y")
    assert.is_truthy(answer)
    assert.not_equal(expected, other)
  end)

  local ITERATIONS = "the broker asks for fewer than 4,096 iterations, or more than 1,000,000"
  local ANOTHER, NO_SALT = "the broker's word does not go on with our nonce",
    "the broker's word has no salt, or one that is none"
  for said, problem in pairs {
    [""] = ANOTHER,
    ["m=x,r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"] =
      "the broker demands an extension of SCRAM (m=), and none is known",
    ["r=" .. WHOLE .. "\0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"] = "the broker's word has a zero byte in it",
    ["r=" .. WHOLE .. "\1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"] = ANOTHER,
    ["r=" .. NONCE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"] = ANOTHER,
    ["r=rOprNGfwEbeRWgbNEkqP%hvY,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"] = ANOTHER,
    ["r=" .. WHOLE .. ("x"):rep(60001 - #WHOLE) .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"] =
      "the broker's nonce is longer than 60,000 bytes", -- an answer must go into one property
    ["r=" .. WHOLE] = NO_SALT,
    ["r=" .. WHOLE .. ",s=,i=4096"] = NO_SALT,
    ["r=" .. WHOLE .. ",s=W22,i=4096"] = NO_SALT,
    ["r=" .. WHOLE .. ",s====W22Z,i=4096"] = NO_SALT,
    ["r=" .. WHOLE .. ",s=" .. ("AAAA"):rep(171) .. ",i=4096"] = NO_SALT,
    ["r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ=="] = ITERATIONS,
    ["r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095"] = ITERATIONS,
    ["r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001"] = ITERATIONS,
    ["r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999"] = ITERATIONS,
    ["r=" .. WHOLE .. ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096"] = ITERATIONS,
  } do
    it("does not answer " .. said:sub(-30), function()
      assert.same({ nil, problem }, { scram.prove("SCRAM-SHA-256", "user", "pencil", NONCE, said) })
    end)
  end
end)
