--- A token of PKCS #11 for specs, by SoftHSM, in a folder of its own.
--
--     token.missing()                          -- what there is not, or nil
--     local words = token.make(folder, key)    -- token "spec", PIN 4321, the key in that file as object "client"
--
-- The words stand before a command whose process is to have it.

local files = require "spec.support.files"
local process = require "process_probe"

local token = {}

local MODULES = { "/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so" }

local function is_there(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function module()
  for _, path in ipairs(MODULES) do
    if is_there(path) then return path end
  end
end

--- @treturn ?string
function token.missing()
  local pipe = assert(io.popen "openssl version -e")
  local engines = pipe:read("*a"):match '"(.-)"'
  pipe:close()
  return not module() and "softhsm2 is not installed"
    or not (engines and is_there(engines .. "/pkcs11.so")) and "libengine-pkcs11-openssl is not installed"
    or nil
end

local SCRIPT = [[
set -e
cd "$1"
exec >>log 2>&1
mkdir -p tokens
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$1" >softhsm2.conf
softhsm2-util --init-token --free --label spec --so-pin 1234 --pin 4321
openssl pkcs8 -topk8 -nocrypt -passin pass:secret -in "$2" -out imported
softhsm2-util --import imported --token spec --label client --id 01 --pin 4321
rm imported
]]

--- @tparam string folder
-- @tparam string key a path; its pass phrase is "secret", if it has one
-- @treturn table
function token.make(folder, key)
  files.write(folder .. "/token.sh", SCRIPT)
  local words = { "env", "SOFTHSM2_CONF=" .. folder .. "/softhsm2.conf", "PKCS11_MODULE_PATH=" .. module() }
  local pid = assert(process.spawn { words[1], words[2], "sh", folder .. "/token.sh", folder, key })
  local how, status = process.wait(pid, 60000)
  assert(how == "exited" and status == 0, "softhsm failed: " .. files.read(folder .. "/log"))
  return words
end

return token
