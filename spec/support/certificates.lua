--- Certificates for specs, made by openssl(1) in a folder of their own.
--
--     local folder = certificates.make()   -- ca.pem, cas/ (hashed), server.pem + .key (localhost, 127.0.0.1),
--                                          -- other.pem + .key (other.example), client.pem + .key (password "secret")

local process = require "process_probe"

local certificates = {}

local SCRIPT = [[
set -e
cd "$1"
exec >log 2>&1
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
sign() { # name, subject alternative names
  key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf 'subjectAltName=%s\n' "$2" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem"
}
key ca.key
openssl req -x509 -new -key ca.key -days 2 -subj "/CN=holdfast spec" -out ca.pem
mkdir cas
cp ca.pem cas
openssl rehash cas
sign server DNS:localhost,IP:127.0.0.1
sign other DNS:other.example
sign client DNS:client
openssl pkey -in client.key -aes256 -passout pass:secret -out client.locked
mv client.locked client.key
]]

--- The folder's path; remove it with process_probe.remove_folder.
function certificates.make()
  local folder = assert(process.temporary_folder())
  local file = assert(io.open(folder .. "/make.sh", "w"))
  file:write(SCRIPT)
  file:close()
  local pid = assert(process.spawn { "sh", folder .. "/make.sh", folder })
  local how, status = process.wait(pid, 60000)
  assert(how == "exited" and status == 0, "openssl failed, see " .. folder .. "/log")
  return folder
end

return certificates
