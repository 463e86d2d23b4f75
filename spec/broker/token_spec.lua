-- A client whose private key is a token's.
local certificates = require "spec.support.certificates"
local files = require "spec.support.files"
local mosquitto = require "spec.support.mosquitto"
local process = require "process_probe"
local token = require "spec.support.token"

local KEY = "tls.key pkcs11:token=spec;object=client;type=private: "

describe("a key of a token #broker", function()
  local folder

  after_each(function()
    mosquitto.finish()
    if folder then process.remove_folder(folder) end
  end)

  it("lets its client in, and is named where it does not", function()
    local missing = token.missing()
    if missing then
      pending(missing)
      return
    end
    folder = certificates.make()
    local port = process.free_port()
    mosquitto.start { lines = { ("listener %d 127.0.0.1"):format(port), ("cafile %s/ca.pem"):format(folder),
      ("certfile %s/server.pem"):format(folder), ("keyfile %s/server.key"):format(folder),
      "require_certificate true", "use_identity_as_username true" } }
    local words = token.make(folder, folder .. "/client.key")
    for _, word in ipairs { os.getenv "LUA" or "lua5.4", "spec/support/token_child.lua", "mqtts://localhost:" .. port,
      folder } do
      words[#words + 1] = word
    end
    local how, status = process.wait(assert(process.spawn(words, folder .. "/said")), 60000)
    assert.are.equal(table.concat({
      "no PIN: tls_token, " .. KEY .. "it wants a tls.key_password",
      "another PIN: tls_token_login, " .. KEY .. "PIN incorrect, and sleeps",
      "another PIN in the URI: tls_token_login, " .. KEY .. "PIN incorrect, and sleeps",
      "another PIN within the URI: tls_token_login, " .. KEY:gsub(": $", ";: ") .. "PIN incorrect, and sleeps",
      "a PIN under another name: tls_token, " .. KEY:gsub(": $", ";: ") .. "invalid id",
      "no such key: tls_token, " .. KEY:gsub("client", "nobody") .. "object not found",
      "no such token: tls_token, " .. KEY:gsub("spec", "other") .. "object not found",
      "another certificate: tls_file, " .. KEY .. "not the key of the certificate in tls.cert",
      "the PIN: ready",
      "the PIN in the URI: ready", "" }, "\n"), files.read(folder .. "/said"))
    assert.are.same({ "exited", 0 }, { how, status })
  end)
end)
