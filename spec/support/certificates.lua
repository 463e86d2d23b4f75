--- Certificates for specs, made by openssl(1) in a folder of their own.
--
--     local folder = certificates.make()
--     certificates.clients(folder, "tenant", 20)
--
-- Each is NAME.pem with NAME.key. By ca.pem (also as a hashed folder, cas/): server (localhost, 127.0.0.1, ::1),
-- expired and future (the same names, at the wrong time), other (other.example), client (the key's pass phrase is
-- "secret"), late (a client's, expired), weak (RSA of 1024 bits), rsa (of 2048; in disorder.pem below
-- its authority). By strange.pem, an authority of the same name with another key: stranger, as server, and intruder, a
-- client's. By old.pem: absent, as server. By nobody else: lonely, as server.

local process = require "process_probe"

local certificates = {}

local SCRIPT = [[
set -e
cd "$1"
exec >log 2>&1
HERE=DNS:localhost,IP:127.0.0.1,IP:::1
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
authority() { # name, subject
  key "$1.key"
  openssl req -x509 -new -key "$1.key" -days 2 -subj "$2" -out "$1.pem"
}
sign() { # name, subject alternative names, authority, first day, last day
  [ -e "$1.key" ] || key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf 'subjectAltName=%s\n' "$2" >"$1.ext"
  : >index
  openssl ca -batch -notext -config ca.cnf -cert "${3-ca}.pem" -keyfile "${3-ca}.key" -extfile "$1.ext" \
    -startdate "${4-20200101000000Z}" -enddate "${5-20991231000000Z}" -in "$1.csr" -out "$1.pem"
}
cat >ca.cnf <<END
[ca]
default_ca = here
[here]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = names
[names]
commonName = supplied
END
authority ca "/CN=holdfast spec"
authority strange "/CN=holdfast spec"
authority old "/CN=holdfast spec of old"
mkdir cas
cp ca.pem cas
openssl rehash cas
sign server $HERE
sign expired $HERE ca 20200101000000Z 20210101000000Z
sign future $HERE ca 20990101000000Z 20991231000000Z
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key
sign weak $HERE
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key
sign rsa $HERE
cat ca.pem rsa.pem >disorder.pem
sign other DNS:other.example
sign stranger $HERE strange
sign absent $HERE old
sign client DNS:client
sign late DNS:client ca 20200101000000Z 20210101000000Z
sign intruder DNS:client strange
key lonely.key
openssl req -x509 -new -key lonely.key -days 2 -subj /CN=lonely -addext "subjectAltName=$HERE" -out lonely.pem
openssl pkey -in client.key -aes256 -passout pass:secret -out client.locked
mv client.locked client.key
]]

local function run(...)
  local pid = assert(process.spawn { "sh", ... })
  local how, status = process.wait(pid, 600000)
  return how == "exited" and status == 0
end

--- Adds so many clients' certificates by ca.pem, NAME-1.pem and so on, with their keys: CN is NAME-1 ...
-- @tparam string folder of @{certificates.make}
-- @tparam string name
-- @tparam number count
function certificates.clients(folder, name, count)
  assert(run("-c", [[
    cd "$1" && for i in $(seq "$3"); do
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$2-$i.key" -subj "/CN=$2-$i" \
        -CA ca.pem -CAkey ca.key -days 2 -out "$2-$i.pem" 2>>log || exit 1
    done]], "sh", folder, name, tostring(count)), "openssl failed, see " .. folder .. "/log")
end

--- What `tls.pin` has of a certificate's key, as docs/security.md says to compute it.
function certificates.pin(folder, name)
  local pipe = assert(io.popen(("openssl x509 -pubkey -noout -in %s/%s.pem | openssl pkey -pubin -outform der | "
    .. "openssl dgst -sha256 -binary | openssl base64"):format(folder, name)))
  local text = pipe:read "*l"
  pipe:close()
  return text
end

--- The folder's path; remove it with process_probe.remove_folder. On the way through a proxy of https its authority and
-- the specs' are one, since `tls.ca` is for both.
function certificates.make()
  local folder = assert(process.temporary_folder())
  local road = os.getenv "HOLDFAST_SPEC_ROAD" == "https_proxy" and os.getenv "HOLDFAST_SPEC_SOCKETS"
  if road then
    assert(run("-c", 'cp -R "$1"/certificates/. "$2"', "sh", road, folder), "no certificates in " .. road)
    return folder
  end
  local file = assert(io.open(folder .. "/make.sh", "w"))
  file:write(SCRIPT)
  file:close()
  assert(run(folder .. "/make.sh", folder), "openssl failed, see " .. folder .. "/log")
  return folder
end

return certificates
