-- A service that is found by its name: a name server of the spec's own, in a network namespace, and two brokers.
local process = require "process_probe"

local NAMES = [[
printf 'nameserver 127.0.0.1\n' > "$1/resolv.conf" && mount --bind "$1/resolv.conf" /etc/resolv.conf &&
exec "${LUA:-lua5.4}" spec/support/finding_child.lua "$1"]]

describe("a service #broker", function()
  it("is found, its brokers and its name server killed and back in each order, and nothing is lost", function()
    local folder = process.temporary_folder()
    local pid = assert(process.spawn({ "unshare", "--net", "--mount", "sh", "-c", NAMES, "sh", folder },
      folder .. "/log"))
    local ended = process.wait(pid, 60000)
    local said = io.open(folder .. "/log"):read "*a"
    if not ended then
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
    end
    process.remove_folder(folder)
    if said:find("unshare failed", 1, true) or said:find("mount: ", 1, true) then
      pending("no namespaces to be had: " .. said)
      return
    end
    assert.is_truthy(ended, said)
    assert.are.same({
      "connected to mqtt+srv://home.example",
      "the second broker\t0",
      "without a name server\t0",
      "without either\tname_server_failing dns",
      "the name server is back\tconnection_refused tcp",
      "and the broker\t0",
      "without a broker\tconnection_refused tcp",
      "without either\tname_server_failing dns",
      "the broker is back\tname_server_failing dns",
      "and the name server\t0",
      "the proxy\tCONNECT b.example:first",
      "nobody knows\tname_not_found dns",
      "the service's certificate\ttrue",
      "another one's\ttls_hostname tls",
      "",
    }, { said:match(("([^\n]*)\n"):rep(14) .. "(.*)") }, said)
  end)
end)
