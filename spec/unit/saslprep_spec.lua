-- Names and passwords as SCRAM computes with them: the examples of RFC 4013 section 3, and more of the same.
local core = require "holdfast.core"

describe("saslprep", function()
  local BIDI = "goes from left to right and from right to left in a way that RFC 4013 prohibits"
  local CONTROL = "has a control character, which RFC 4013 prohibits"

  for _, case in ipairs {
    { "I\194\173X", "IX", "SOFT HYPHEN mapped to nothing" },
    { "user", "user", "no transformation" },
    { "USER", "USER", "case preserved" },
    { "\194\170", "a", "output is NFKC, input in ISO 8859-1" },
    { "\226\133\168", "IX", "output is NFKC" },
    { "\7", nil, "prohibited character", CONTROL },
    { "\216\167\49", nil, "bidirectional check", BIDI },
    { "a\194\160b", "a b", "a space that is not ASCII" },
    { "pa,ss=word ~!", "pa,ss=word ~!", "ASCII as it is" },
    { "a\127", nil, "DEL", CONTROL },
    { "a\0b", nil, "a zero byte", CONTROL },
    { "a\226\128\131\238\128\128", nil, "private use", "has a character that RFC 4013 prohibits" },
    { "a\255", nil, "not UTF-8", "must be UTF-8 (RFC 4013)" },
    { "\237\160\128", nil, "a surrogate", "must be UTF-8 (RFC 4013)" },
  } do
    it("has " .. case[3], function()
      for _, is_name in ipairs { true, false } do
        local prepared, problem = core.saslprep(case[1], is_name)
        assert.equal(case[2], prepared)
        assert.equal(case[4], problem)
      end
    end)
  end

  it("takes what Unicode had not assigned in a name, and not in a password", function()
    assert.equal("\200\161", (core.saslprep("\200\161", true))) -- U+0221, of Unicode 4.0
    assert.same({ nil, "has a character that RFC 4013 does not know" }, { core.saslprep("\200\161", false) })
  end)

  it("wants something left of a name", function()
    assert.same({ nil, "has nothing that counts (RFC 4013)" }, { core.saslprep("\194\173", true) })
    assert.equal("", (core.saslprep("\194\173", false)))
  end)
end)
