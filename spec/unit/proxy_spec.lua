-- Where a proxy is and who goes there: addresses of proxies, those of the environment, and the hosts that are gone to
-- directly.
local core = require "holdfast.core"
local options = require "holdfast.options"
local probe = require "keeper_probe"
local settings = require "holdfast.settings"

local SECRET = "hunter2"

describe("the address of a proxy", function()
  it("is one of four kinds, with a user, an IPv6 address and a port if it likes", function()
    for _, address in ipairs { "http://p", "HTTP://p/", "https://p:3128", "socks5://127.0.0.1", "socks5h://[::1]:1080",
      "http://[fe80::1%25eth0]:8080", "http://user:pass@p", "http://user@p", "http://:pass@p", "http://@p",
      "http://[fe80::1%" .. ("z"):rep(245) .. "]",
      "http://a%40b:c%3a%2F@p:1", "http://user:p@ss@p", "socks5://" .. ("u"):rep(255) .. ":" .. ("p"):rep(255) .. "@p",
      "http://" .. ("u"):rep(1024) .. ":" .. ("%41"):rep(1024) .. "@p", "http://" .. ("p."):rep(126) .. "p" } do
      assert.is_nil(core.proxy_problem(address), address)
    end
  end)

  local SCHEME = "must begin with http://, https://, socks5:// or socks5h://"
  local TAIL = "must not have anything after host and port; a '/', '?' or '#' in a password is written as %XX"
  local PLACE = "must have a host, an IPv6 address in brackets, and a port from 1 to 65,535 behind its scheme"
  local ESCAPE = "has a '%' in its user name or password that is not one of %XX"
  for address, problem in pairs {
    [""] = SCHEME, ["p"] = SCHEME, ["p:3128"] = SCHEME, ["mqtt://p"] = SCHEME, ["socks4://p"] = SCHEME,
    ["socks://p"] = SCHEME, ["http:/p"] = SCHEME, ["http:"] = SCHEME,
    ["http://"] = "has no host", ["http://u:hunter2@"] = "has no host", ["http:///"] = "has no host",
    ["http://p/x"] = TAIL, ["http://p?hunter2"] = TAIL, ["http://p#x"] = TAIL, ["http://u:hun/ter2@p"] = TAIL,
    ["http://user:hunter2"] = PLACE, ["http://p:0"] = PLACE, ["http://p:65536"] = PLACE, ["http://p:"] = PLACE,
    ["http://::1"] = PLACE, ["http://[::1"] = PLACE, ["http://[::1]x"] = PLACE, ["http://1.2.3"] = PLACE,
    ["http://p..q"] = PLACE, ["http://" .. ("p."):rep(127) .. "p"] = PLACE,
    ["http://[fe80::1%" .. ("z"):rep(246) .. "]"] = PLACE, ["socks5://[fe80::1%" .. ("z"):rep(5000) .. "]:1"] = PLACE,
    ["http://u:hunter2%@p"] = ESCAPE,
    ["http://u:%4@p"] = ESCAPE, ["http://%zz@p"] = ESCAPE, ["http://u:%4g@p"] = ESCAPE,
    ["http://u :hunter2@p"] = "must not contain spaces or control characters",
    ["http://u\0:hunter2@p"] = "must not contain spaces or control characters",
    ["http://u%3Ax:hunter2@p"] = "has a ':' in its user name, which HTTP does not allow (RFC 7617)",
    ["socks5://:hunter2@p"] = "has no user name, which SOCKS wants (RFC 1929)",
    ["socks5h://" .. ("u"):rep(256) .. "@p"] =
      "has a user name or password of more than 255 bytes, which SOCKS has no room for",
    ["http://u:" .. ("p"):rep(1025) .. "@p"] = "has a user name or password of more than 1,024 bytes",
  } do
    it("is refused without a word of it: " .. address:sub(1, 40):gsub("%z", "NUL"), function()
      assert.are.equal(problem, core.proxy_problem(address))
      assert.is_nil(problem:find(SECRET, 1, true))
    end)
  end
end)

describe("the environment", function()
  local getenv = os.getenv
  local variables

  before_each(function()
    variables = {}
    os.getenv = function(name) return variables[name] end -- luacheck: ignore 122
  end)
  after_each(function() os.getenv = getenv end) -- luacheck: ignore 122

  local function proxies(proxy)
    local values = assert(options.check { server = "mqtt://b", transport = "native", proxy = proxy })
    local built = settings.build(values)
    return { built.proxy or false, built.proxy_secure or false, built.no_proxy or false, built.ask_proxy }
  end

  it("is not looked at unless it is asked for", function()
    variables.all_proxy, variables.https_proxy = "http://p", "http://q"
    assert.are.same({ false, false, false, false }, proxies(nil))
    assert.are.same({ "http://x", "http://x", false, false }, proxies "http://x")
  end)

  it("names one for servers with TLS, and one for all", function()
    assert.are.same({ false, false, false, false }, proxies "environment")
    variables.all_proxy, variables.no_proxy = "socks5h://p", "a,b"
    assert.are.same({ "socks5h://p", "socks5h://p", "a,b", false }, proxies "environment")
    variables.https_proxy = "q:3128"
    assert.are.same({ "socks5h://p", "http://q:3128", "a,b", false }, proxies "environment")
    variables.all_proxy = ""
    assert.are.same({ false, "http://q:3128", "a,b", false }, proxies "environment")
    variables.http_proxy = "http://not-for-mqtt"
    assert.are.same({ false, "http://q:3128", "a,b", false }, proxies "environment")
  end)

  it("may spell them in capitals, which go last", function()
    variables.ALL_PROXY, variables.HTTPS_PROXY, variables.NO_PROXY = "http://A", "http://B", "C"
    assert.are.same({ "http://A", "http://B", "C", false }, proxies "environment")
    variables.all_proxy, variables.https_proxy, variables.no_proxy = "http://a", "http://b", "c"
    assert.are.same({ "http://a", "http://b", "c", false }, proxies "environment")
  end)

  it("is complained about by the variable's name, without its value", function()
    variables.https_proxy = "http://user:hunter2@p/x"
    local values, problem = options.check { server = "mqtt://b", transport = "native", proxy = "environment" }
    assert.is_nil(values)
    assert.are.equal("proxy: what the environment has as https_proxy must not have anything after host and port; "
      .. "a '/', '?' or '#' in a password is written as %XX", problem)
  end)

  it("leaves the question to a function, where there is one", function()
    assert.are.same({ false, false, false, true }, proxies(function() end))
  end)
end)

describe("no_proxy", function()
  local function check(list, hosts)
    for host, wanted in pairs(hosts) do
      assert.are.equal(wanted, probe.is_direct(list, host), ("%q in %q"):format(host, list))
    end
  end

  it("has names, and all below them", function()
    check("example.org, .lan\tb.test,*.wild", { ["example.org"] = true, ["EXAMPLE.org."] = true,
      ["mqtt.example.org"] = true, ["badexample.org"] = false, org = false, lan = true, ["a.lan"] = true,
      ["b.test"] = true, ["a.wild"] = true, ["127.0.0.1"] = false })
  end)

  it("has addresses, however they are written, and nets", function()
    check("127.0.0.1,10.0.0.0/8 [::1],fe80::/10,192.0.2.128/25", { ["127.0.0.1"] = true, ["127.0.0.2"] = false,
      ["10.9.8.7"] = true, ["11.0.0.1"] = false, ["::1"] = true, ["0:0:0:0:0:0:0:1"] = true, ["fe80::1%eth0"] = true,
      ["febf::1"] = true, ["fec0::1"] = false, ["192.0.2.127"] = false, ["192.0.2.255"] = true, host = false })
    check("0.0.0.0/0", { ["1.2.3.4"] = true, ["::1"] = false })
  end)

  it("is everything, or nothing", function()
    check("*", { host = true, ["::1"] = true })
    check("", { host = false })
    check(" ,, ", { host = false, [""] = false })
    check("10.0.0.0/33,10.0.0.0/,10.0.0.0/x,/8,.,*.,[]", { ["10.0.0.1"] = false, host = false })
    check(("x"):rep(300), { [("x"):rep(250)] = false })
  end)
end)
