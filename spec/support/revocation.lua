--- What says of a server's certificate whether it has been revoked, made by openssl(1) in a folder of certificates.
--
--     revocation.make(folder)   -- one of spec.support.certificates
--
-- Lists by ca.pem: none.crl (nothing is revoked), revoked.crl (server.pem is), past.crl (neither, and out of date); by
-- strange.pem: strange.crl. OCSP responses about server.pem: good.ocsp, revoked.ocsp, past.ocsp (out of date),
-- unknown.ocsp, strange.ocsp (signed by strange.pem), refused.ocsp (a refusal to say anything); delegated.ocsp is good,
-- and signed by whom ca.pem has authorized, by.digest.ocsp names the certificate by SHA-256. And other.ocsp, about
-- other.pem. A certificate that promises a response is stapled.pem, with stapled.key, which has stapled.ocsp.
local files = require "spec.support.files"
local process = require "process_probe"

local revocation = {}

local SCRIPT = [[
set -e
cd "$1"
exec >>log 2>&1
ca() { openssl ca -batch -notext -config ca.cnf -cert "${BY-ca}.pem" -keyfile "${BY-ca}.key" "$@"; }
sign() { # name, line of extensions
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf '%s\n' "$2" >"$1.ext"
  ca -days 1 -extfile "$1.ext" -in "$1.csr" -out "$1.pem"
}
answer() { # file, certificate, signer, arguments for the question, arguments for the answer
  openssl ocsp $4 -issuer ca.pem -cert "$2.pem" -reqout question
  openssl ocsp -index index -CA ca.pem -rsigner "$3.pem" -rkey "$3.key" -reqin question -respout "$1" ${5--ndays 1}
}
: >index
sign responder extendedKeyUsage=OCSPSigning
sign stapled 'subjectAltName=DNS:localhost
tlsfeature=status_request'
: >index
answer unknown.ocsp server ca
ca -valid server.pem
ca -valid other.pem
ca -valid stapled.pem
answer good.ocsp server ca
answer by.digest.ocsp server ca -sha256
answer other.ocsp other ca
answer stapled.ocsp stapled ca
answer delegated.ocsp server responder
answer strange.ocsp server strange
LD_PRELOAD=$2 answer past.ocsp server ca "" "-nmin 5"
printf '\060\003\012\001\003' >refused.ocsp
ca -gencrl -crldays 1 -out none.crl
ca -gencrl -crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z -out past.crl
BY=strange ca -gencrl -crldays 1 -out strange.crl
ca -revoke server.pem -crl_reason keyCompromise
ca -gencrl -crldays 1 -out revoked.crl
answer revoked.ocsp server ca
]]

function revocation.make(folder)
  files.write(folder .. "/revoke.sh", SCRIPT)
  local clock = assert(package.searchpath("wall_probe", package.cpath))
  local pid = assert(process.spawn { "sh", folder .. "/revoke.sh", folder, clock })
  local how, status = process.wait(pid, 600000)
  assert(how == "exited" and status == 0, "openssl failed, see " .. folder .. "/log")
end

return revocation
