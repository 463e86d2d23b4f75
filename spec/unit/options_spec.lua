-- Options: what is refused and in which words, defaults, and what the core is given.
local fake_core = require "spec.support.fake_core"

describe("options", function()
  local core, holdfast

  before_each(function()
    core, holdfast = fake_core.install()
  end)

  after_each(fake_core.remove)

  local function new(options)
    if options.server == nil and options.servers == nil then
      options.server = "mqtt://localhost"
    end
    return holdfast.new(options)
  end

  local function settings(options)
    new(options)
    return core.clients[core.made].settings
  end

  local function refusal(options)
    local fine, err = pcall(new, options)
    assert.is_false(fine, "was accepted")
    assert.equal(0, core.made)
    return (err:gsub("^.-holdfast%.new: ", ""))
  end

  local NaN = 0 / 0

  it("have the documented defaults", function()
    local set = settings {}
    assert.matches("^holdfast%w+$", set.client_id)
    set.client_id = nil
    assert.same({
      servers = {
        { host = "localhost", port = 1883, tls = false, ipv6 = false, road = "tcp", text = "mqtt://localhost" },
      },
      end_session = true,
      protocol = 5,
      fallback = false,
      transport = "native",
      window = 0,
      keep_alive = 20,
      clean_start = false,
      session_expiry = 3600,
      ask_credentials = false,
      ask_headers = false,
      ask_server = false,
      ask_proxy = false,
      ask_delay = false,
      inspect = false,
      watch_network = false,
      zero_rtt = false,
      connect_timeout = 10000,
      stable_after = 10000,
      max_attempts = 0,
      sleep_for = 0,
      backoff = { strategy = "exponential", jitter = "full", factor = 2, min = 1000, max = 45000, step = 1000 },
      slow = { strategy = "exponential", jitter = "full", factor = 2, min = 30000, max = 300000, step = 1000 },
      queue = { messages = 10000, bytes = 67108864, overflow = "reject", sync = 1000 },
      inbox = { messages = 1000, bytes = 16777216 },
      receive_maximum = 1000,
      maximum_packet_size = 0,
    }, set)
  end)

  it("reach the core in its own terms", function()
    local set = settings {
      servers = { "mqtts://a.example", "[::1]:1884" },
      client_id = "kitchen",
      username = "u", password = "p\0q",
      connect_timeout = 0.25, stable_after = 0, sleep_for = 3600, max_attempts = 50,
      backoff = { strategy = "linear", min = 0.05, max = 2, step = 0.5, jitter = 0.25 },
      policy = { slow = { min = 60 } },
      tls = { ca = "/etc/ca", alpn = { "mqtt" }, verify = false },
      will = { topic = "status", payload = "down", qos = 1, retain = true,
        properties = { will_delay = 5, user = { b = "2", a = "1" } } },
      properties = { user = { { "x", "1" }, { "x", "2" } } },
      maximum_packet_size = 1000,
    }
    assert.same({ host = "a.example", port = 8883, tls = true, ipv6 = false, road = "tcp", text = "mqtts://a.example" },
      set.servers[1])
    assert.same({ host = "::1", port = 1884, tls = false, ipv6 = true, road = "tcp", text = "[::1]:1884" },
      set.servers[2])
    assert.equal("kitchen", set.client_id)
    assert.is_false(set.end_session)
    assert.same({ "u", "p\0q" }, { set.username, set.password })
    assert.same({ 250, 0, 3600000, 50 }, { set.connect_timeout, set.stable_after, set.sleep_for, set.max_attempts })
    assert.same({ strategy = "linear", jitter = "fraction", fraction = 0.25, factor = 2, min = 50, max = 2000,
      step = 500 }, set.backoff)
    assert.same({ 60000, 300000 }, { set.slow.min, set.slow.max })
    assert.same({ ca = "/etc/ca", alpn = { "mqtt" }, verify = false }, set.tls)
    assert.same({ topic = "status", payload = "down", qos = 1, retain = true,
      properties = { will_delay = 5, user = { { "a", "1" }, { "b", "2" } } } }, set.will)
    assert.same({ user = { { "x", "1" }, { "x", "2" } } }, set.properties)
    assert.equal(1000, set.maximum_packet_size)
  end)

  it("ask for a pass phrase once, and take a shared key as hexadecimal digits", function()
    local asked = 0
    local set = settings { server = "mqtts://x", tls = { cert = "c", key_password = function()
      asked = asked + 1
      return "open sesame"
    end } }
    assert.same({ cert = "c", key_password = "open sesame", verify = true }, set.tls)
    assert.equal(1, asked)
    set = settings { server = "mqtts://x", tls = { psk_identity = "i", psk_key = "00fF61" } }
    assert.same({ psk_identity = "i", psk_key = "\0\255a", verify = true }, set.tls)
  end)

  it("may be those of a strategy, of a preset or of a list that has one server only", function()
    for _, backoff in ipairs {
      { strategy = "linear", step = 2, jitter = "equal" }, { strategy = "exponential", factor = 3, jitter = 0.5 },
      { strategy = "constant", min = 60, max = 60, jitter = "none" }, { strategy = "decorrelated", min = 2, max = 9 },
      { strategy = "spread", clients = 100, rate = 5, min = 2 }, { strategy = "none" }, { preset = "paho" },
      { strategy = "random", min = 0, max = 2 },
    } do
      assert.truthy(settings { backoff = backoff, stable_after = 5 })
      assert.truthy(holdfast.backoff.new(backoff))
    end
    assert.truthy(settings { policy = { slow = { strategy = "none" } } })
    assert.truthy(settings { policy = { slow = { strategy = "spread", clients = 100, rate = 5 } } })
    assert.truthy(settings { servers = { "mqtt://x" }, return_to_primary = 60 })
  end)

  it("let the broker choose the client id", function()
    local set = settings { client_id = false }
    assert.equal("", set.client_id)
    assert.is_true(set.end_session)
    assert.equal(100, #settings { protocol = 4, client_id = ("x"):rep(100) }.client_id)
  end)

  it("derive keep alive from the time in which a dead link must be noticed", function()
    for within, each in pairs { [2.5] = { 3, 1 }, [4.9] = { 5, 1 }, [5] = { 5, 2 }, [60] = { 60, 24 },
      [163837] = { 65535, 65534 } } do
      assert.equal(each[1], settings { detect_within = within }.keep_alive)
      assert.equal(each[2], settings { detect_within = within, transport = "paho" }.keep_alive)
    end
  end)

  it("take a function for the backoff and keep the built-in one in hand", function()
    local set = settings { backoff = function() end }
    assert.is_true(set.ask_delay)
    assert.equal("exponential", set.backoff.strategy)
    assert.is_true(settings { credentials = function() end }.ask_credentials)
  end)

  it("leave the table of the user alone", function()
    local given = { server = "mqtt://localhost", backoff = { min = 2 }, will = { topic = "t" } }
    holdfast.new(given)
    assert.same({ server = "mqtt://localhost", backoff = { min = 2 }, will = { topic = "t" } }, given)
  end)

  describe("named wrongly", function()
    for key, wanted in pairs {
      keep_alvie = 'unknown option "keep_alvie"; did you mean "keep_alive"?',
      clientid = 'unknown option "clientid"; did you mean "client_id"?',
      user_name = 'unknown option "user_name"; did you mean "username"?',
      auto_reconect = 'unknown option "auto_reconect"; known are server, servers, client_id, .- policy and properties$',
    } do
      it("are refused: " .. key, function()
        assert.matches("^" .. wanted:gsub("[?]", "%%?"), refusal { [key] = 1 })
      end)
    end

    it("are refused in nested tables too", function()
      assert.equal('unknown option in backoff "mim"; did you mean "min"?', refusal { backoff = { mim = 1 } })
      assert.equal('unknown option in tls "verfy"; did you mean "verify"?', refusal { server = "mqtts://x",
        tls = { verfy = true } })
      assert.equal('unknown option in queue "size"; known are messages, bytes, ttl, overflow, store and sync',
        refusal { queue = { size = 1 } })
      assert.matches("^unknown option 1; known are", refusal { "mqtt://localhost" })
    end)
  end)

  describe("with wrong values", function()
    local cases = {
      { { keep_alive = -1 }, "keep_alive must be a whole number of seconds from 0 to 65,535, got -1" },
      { { keep_alive = 65536 }, "keep_alive must be a whole number of seconds from 0 to 65,535, got 65,536" },
      { { keep_alive = 1.5 }, "keep_alive must be a whole number of seconds from 0 to 65,535, got 1.5" },
      { { keep_alive = NaN }, "keep_alive must be a whole number of seconds from 0 to 65,535, got NaN" },
      { { keep_alive = math.huge }, "keep_alive must be a whole number of seconds from 0 to 65,535, got infinity" },
      { { keep_alive = "20" }, 'keep_alive must be a whole number of seconds from 0 to 65,535, got "20"' },
      { { connect_timeout = 0 }, "connect_timeout must be a number of seconds above 0 and up to 4,294,967, got 0" },
      { { connect_timeout = NaN }, "connect_timeout must be a number of seconds above 0 and up to 4,294,967, got NaN" },
      { { stable_after = -0.5 }, "stable_after must be a number of seconds from 0 to 4,294,967, got -0.5" },
      { { sleep_for = -math.huge },
        "sleep_for must be a number of seconds above 0 and up to 4,294,967, got minus infinity" },
      { { sleep_for = 1e10 }, "sleep_for must be a number of seconds above 0 and up to 4,294,967, got 10,000,000,000" },
      { { max_attempts = 0 }, "max_attempts must be a whole number from 1 to 4,294,967,295, got 0" },
      { { session_expiry = 4294967296 },
        "session_expiry must be a whole number of seconds from 0 to 4,294,967,295, got 4,294,967,296" },
      { { receive_maximum = 0 }, "receive_maximum must be a whole number from 1 to 65,535, got 0" },
      { { detect_within = 2 }, "detect_within must be a number of seconds from 2.5 to 163,837, got 2" },
      { { protocol = 3 }, "protocol must be 5 or 4, got 3" },
      { { clean_start = 1 }, "clean_start must be true or false, got 1" },
      { { credentials = "S3CRET" }, "credentials must be a function, got a string" },
      { { queue = { messages = 0 } }, "queue.messages must be a whole number from 1 to 4,294,967,295, got 0" },
      { { queue = { overflow = "drop" } },
        'queue.overflow must be "reject", "drop_oldest" or "drop_newest", got "drop"' },
      { { queue = { ttl = 0 } }, "queue.ttl must be a number of seconds above 0 and up to 4,294,967, got 0" },
      { { inbox = 5 }, "inbox must be a table, got 5" },
      { { backoff = 5 }, "backoff must be a table or a function, got 5" },
      { { backoff = { strategy = "exponentail" } }, 'backoff.strategy must be "none", "constant", "linear", '
        .. '"exponential", "fibonacci", "random", "decorrelated" or "spread", '
        .. 'got "exponentail" (did you mean "exponential"?)' },
      { { backoff = { min = 5, max = 2 } }, "backoff.max must be at least backoff.min, which is 5 s, got 2 s" },
      { { backoff = { min = 120 } }, "backoff.max must be at least backoff.min, which is 120 s, got 45 s" },
      { { backoff = { min = 0 } }, "backoff.min must be a number of seconds above 0 and up to 4,294,967, got 0" },
      { { backoff = { factor = 0.5 } }, "backoff.factor must be a number from 1 to 1,000, got 0.5" },
      { { backoff = { jitter = "ful" } },
        'backoff.jitter must be "none", "full", "equal" or a fraction up to 1, got "ful"' },
      { { backoff = { jitter = 1.5 } }, "backoff.jitter must be a number from 0 to 1, got 1.5" },
      { { backoff = { jitter = 0 } }, 'backoff.jitter must be above 0; say "none" for no jitter' },
      { { backoff = { step = 2 } }, 'backoff.step needs strategy = "linear", got "exponential"' },
      { { backoff = { strategy = "linear", factor = 2 } },
        'backoff.factor needs strategy = "exponential", got "linear"' },
      { { backoff = { strategy = "constant", min = 0 } },
        "backoff.min must be a number of seconds above 0 and up to 4,294,967, got 0" },
      { { backoff = { strategy = "random", min = 0, max = 0 } },
        "backoff.max must be a number of seconds above 0 and up to 4,294,967, got 0" },
      { { backoff = { strategy = "random", jitter = "none" } },
        'backoff.jitter does not go with strategy = "random"' },
      { { backoff = { strategy = "spread", clients = 5, rate = 5, jitter = 0.5 } },
        'backoff.jitter does not go with strategy = "spread"' },
      { { backoff = { strategy = "spread", clients = 5, rate = 5, max = 60 } },
        'backoff.max does not go with strategy = "spread"; clients and rate say how long it is' },
      { { backoff = { strategy = "spread", clients = 5 } }, 'backoff.rate is missing: strategy = "spread" wants it' },
      { { backoff = { rate = 5 } }, 'backoff.rate needs strategy = "spread", got "exponential"' },
      { { backoff = { strategy = "none", min = 5 } }, 'backoff.min does not go with strategy = "none"' },
      { { backoff = { preset = "paho", max = 60 } },
        "backoff.preset stands for all of backoff; leave backoff.max out" },
      { { policy = { slow = { strategy = "constant", factor = 3 } } },
        'policy.slow.factor needs strategy = "exponential", got "constant"' },
      { { client_id = "" },
        "client_id must not be empty; leave it out for a random one, or say false to let the broker choose" },
      { { client_id = 5 }, "client_id must be a string, or false to let the broker choose, got 5" },
      { { client_id = "a\0b" }, 'client_id must not contain a NUL character, got "a\\x00b"' },
      { { client_id = "k\195\188che\t" },
        'client_id must not contain control characters, got "k\195\188che\\x09"' },
      { { username = "S3CRET\n" }, "username must not contain control characters" },
      { { will = { topic = "gone\27" } }, 'will.topic must not contain control characters, got "gone\\x1b"' },
      { { will = { topic = "a", properties = { content_type = "\1" } } },
        'will.properties of a will: content_type must not contain control characters, got "\\x01"' },
      { { properties = { user = { { "a", "\239\183\175" } } } }, "properties of a connect: user: a name or value must "
        .. 'not contain code points that are no characters, got "\\xef\\xb7\\xaf"' },
      { { client_id = "\255" }, 'client_id must be valid UTF-8, got "\\xff"' },
      { { client_id = ("x"):rep(65536) }, 'client_id must not be longer than 65,535 bytes, got "' .. ("x"):rep(48)
        .. '" ... (65,536 bytes)' },
      { { server = 5 }, 'server must be a string such as "mqtt://localhost", or a function, got 5' },
      { { server = print, transport = "native", return_to_primary = 5 },
        "return_to_primary needs servers: there is no other one to return from" },
      { { server = "mqtt+srv://user:S3CRET@x" },
        "server must not have a user name or password; they have options of their own, got \"mqtt+srv://...@x\"" },
      { { servers = { "mqtts+srv://x", "mqtt://y" }, transport = "native", return_to_primary = 5 },
        "return_to_primary looks at one server, and the first of servers is a service; leave one of them out" },
      { { servers = { print } }, 'servers in place 1 must be a string such as "mqtt://localhost", got a function' },
      { { server = "http://x" },
        "server has the unknown scheme 'http'; mqtt, mqtts, tcp, ssl, mqtt+srv, mqtts+srv, ws, wss, unix and quic are "
          .. "known, got \"http://x\"" },
      { { server = "mqtt://x:0" },
        "server has the port '0', which must be a number from 1 to 65535, got \"mqtt://x:0\"" },
      { { headers = { a = "b" } }, "headers is given, but no server's address begins with ws:// or wss://" },
      { { server = "ws://x", headers = 5 },
        "headers must be a table of names and values, or a function, got a number" },
      { { server = "ws://x", headers = { "a: b" } }, "headers must hold strings under names that are strings" },
      { { server = "ws://x", headers = { a = 1 } }, "headers must hold strings, or lists of strings" },
      { { server = "ws://x", headers = { ["a b"] = "c" } }, "headers has a name that HTTP does not allow" },
      { { server = "ws://x", headers = { a = "S3CRET\r\nb: c" } },
        "headers has a value with line breaks or other control characters" },
      { { server = "ws://x", headers = { Host = "y" } }, "headers must leave Host to the handshake" },
      { { server = "ws://x", headers = { ["Sec-WebSocket-Key"] = "y" } },
        "headers must leave Sec-WebSocket-Key to the handshake" },
      { { server = "ws://x", headers = { a = ("x"):rep(8192) } }, "headers must be at most 8192 bytes long together" },
      { { servers = {} }, 'servers must be a list of addresses such as { "mqtt://localhost" }, got an empty table' },
      { { servers = { "a", "mqtt://" } }, 'servers in place 2 has no host, got "mqtt://"' },
      { { server = "a", servers = { "b" } }, "server and servers exclude each other; keep one" },
      { { keep_alive = 5, detect_within = 5 },
        "keep_alive and detect_within exclude each other; the second one sets the first" },
      { { username = "u", credentials = print }, "credentials replaces username and password; keep one of them" },
      { { password = "p", protocol = 4 }, "password needs a username in MQTT 3.1.1 [MQTT-3.1.2-22]" },
      { { fallback = true, protocol = 4 }, "fallback = true leads from protocol 5 to 4, so it needs protocol = 5" },
      { { client_id = false, protocol = 4 }, "client_id = false (the broker chooses) needs protocol = 5" },
      { { properties = { user = {} }, protocol = 4 }, "properties need protocol = 5" },
      { { receive_maximum = 5, protocol = 4 }, "receive_maximum needs protocol = 5" },
      { { maximum_packet_size = 5, protocol = 4 }, "maximum_packet_size needs protocol = 5" },
      { { redirect = { allow = { "*" } }, protocol = 4 }, "redirect needs protocol = 5" },
      { { redirect = { hops = 2 } }, "redirect.allow is missing" },
      { { queue = { sync = 2 } }, "queue.sync needs a queue.store" },
      { { limits = {} }, "limits needs publish_per_second, bytes_per_second or both" },
      { { limits = { bytes_per_second = 5, burst = 2 } }, "limits.burst needs limits.publish_per_second" },
      { { sleep_for = 60 }, "sleep_for needs max_attempts: who sleeps for another reason does so until woken" },
      { { server = "a", return_to_primary = 60 },
        "return_to_primary needs servers: there is no other one to return from" },
      { { queue = { store = "file" } },
        "queue.store needs a client_id: the broker knows the session that it belongs to by no other name" },
      { { queue = { store = "file" }, client_id = false },
        "queue.store needs a client_id: the broker knows the session that it belongs to by no other name" },
      { { queue = { store = 5 }, client_id = "a" }, "queue.store must be the name of a file, got 5" },
      { { will = { topic = "t", properties = {} }, protocol = 4 }, "will.properties need protocol = 5" },
      { { tls = {} }, "tls is given, but no server's address begins with mqtts://, wss:// or quic://" },
      { { server = "mqtt://a", transport = "native", proxy = "https://p", tls = { cert = "/c", ca = "/a" } },
        "tls.cert is for a broker, and no server's address begins with mqtts://, wss:// or quic://: TLS to a proxy "
          .. "goes without it" },
      { { server = "mqtts://x", zero_rtt = true }, "zero_rtt is given, but no server's address begins with quic://" },
      { { server = function() end, transport = "native", zero_rtt = true, auth = { method = "X", start = print } },
        "zero_rtt does not go with auth, whose exchange begins when the handshake is complete" },
      { { server = "mqtts://x", tls = { ca = "" } }, 'tls.ca must be the name of a file, or PEM text, got ""' },
      { { server = "mqtts://x", tls = { key = "k" } }, "tls.key needs a tls.cert" },
      { { server = "mqtts://x", tls = { key_password = "p" } }, "tls.key_password needs a tls.cert" },
      { { server = "mqtts://x", tls = { cert = "c", key_password = function() end } },
        "tls.key_password must be a string, or a function that returns one; it returned nothing" },
      { { server = "mqtts://x", tls = { cert = "c", key_password = "a\0b" } },
        "tls.key_password must not contain a NUL" },
      { { server = "mqtts://x", tls = { cert = "c", key_password = ("x"):rep(1024) } },
        "tls.key_password must be at most 1,023 bytes long, got 1,024" },
      { { server = "mqtts://x", tls = { psk_key = "ab" } }, "tls.psk_key needs a tls.psk_identity" },
      { { server = "mqtts://x", tls = { psk_identity = "i" } }, "tls.psk_identity needs a tls.psk_key" },
      { { server = "mqtts://x", tls = { psk_identity = "i", psk_key = "ab", ca = "c" } },
        "tls.psk_key takes the place of certificates; leave tls.ca out" },
      { { server = "mqtts://x", tls = { psk_identity = "i", psk_key = "ab", verify = false } },
        "tls.psk_key takes the place of certificates; leave tls.verify out" },
      { { server = "mqtts://x", tls = { psk_identity = "i", psk_key = "abc" } },
        "tls.psk_key must be 1 to 256 bytes as pairs of hexadecimal digits, got 3 characters" },
      { { server = "mqtts://x", tls = { psk_identity = "i", psk_key = "xy" } },
        "tls.psk_key must be 1 to 256 bytes as pairs of hexadecimal digits, got 2 characters" },
      { { server = "mqtts://x", tls = { psk_identity = "i", psk_key = ("ab"):rep(257) } },
        "tls.psk_key must be 1 to 256 bytes as pairs of hexadecimal digits, got 514 characters" },
      { { server = "mqtts://x", tls = { psk_identity = ("i"):rep(129), psk_key = "ab" } },
        "tls.psk_identity must be at most 128 bytes long, got 129" },
      { { https_proxy = "http://user:secret@p" },
        'https_proxy: say proxy = "http://host:3128", or proxy = "environment" for what the environment names' },
      { { proxy = 5 },
        'proxy must be an address such as "http://proxy:3128", "environment", or a function, got a number' },
      { { proxy = "p:3128" }, "proxy must begin with http://, https://, socks5:// or socks5h://" },
      { { server = "unix:///run/broker", transport = "native", proxy = "http://p" },
        "proxy is given, but no server is reached by one: that takes TCP" },
      { { servers = { "a", "b" }, transport = "native", proxy = "http://p", return_to_primary = 60 },
        "return_to_primary looks at the first server directly, which proxy does not allow; leave one of them out" },
      { { transport = "native", proxy = "http://p", tls = {} },
        "tls is given, but no server's address begins with mqtts://, wss:// or quic://" },
      { { server = "mqtts://x", tls = { alpn = "mqtt" } }, 'tls.alpn must be a list of names, got "mqtt"' },
      { { server = "mqtts://x", tls = { alpn = { ("x"):rep(256) } } },
        'tls.alpn must hold names of 1 to 255 bytes, got "' .. ("x"):rep(48) .. '" ... (256 bytes) in place 1' },
      { { will = {} }, "will.topic is missing" },
      { { will = { topic = "a/#" } }, "will.topic must not contain the wildcards '+' and '#', got \"a/#\"" },
      { { will = { topic = "t", qos = 3 } }, "will.qos must be 0, 1 or 2, got 3" },
      { { will = { topic = "t", payload = ("x"):rep(65536) } },
        "will.payload must be at most 65,535 bytes long, got 65,536" },
      { { will = { topic = "t", properties = { will_delay = -1 } } }, "will.properties of a will: will_delay must be "
        .. "a whole number of seconds from 0 to 4,294,967,295, got -1" },
      { { properties = { content_type = "x" } },
        'properties of a connect: unknown property "content_type"; known are user' },
      { { properties = { user = { a = 1 } } },
        'properties of a connect: user must hold strings under names that are strings, got 1 under "a"' },
      { { properties = { user = { { "a", "1" }, b = "2" } } },
        'properties of a connect: user must be { name = value } or a list of { name, value }, got both ("b")' },
      { { policy = { not_authorised = "stop" } },
        'policy has an unknown reason "not_authorised"; did you mean "not_authorized"?' },
      { { policy = { [0x42] = "stop" } }, "policy has the code 66, which no broker answers with" },
      { { policy = { [true] = "stop" } }, "policy must have names, classes or codes of reasons as keys, got true" },
      { { policy = { [0x97] = "slo" } },
        'policy [0x97] must be retry, slow, switch or stop, or { class, later, after }, got "slo"' },
      { { policy = { banned = { class = "slow", later = "stop", after = 0 } } },
        "policy banned needs `after`, a whole number from 1 to 255, got 0" },
      { { policy = { slow = { min = 600 } } },
        "policy.slow.max must be at least policy.slow.min, which is 600 s, got 300 s" },
      { { policy = { slow = { mim = 600 } } }, 'unknown option in policy.slow "mim"; did you mean "min"?' },
    }
    for _, case in ipairs(cases) do
      it("are refused: " .. case[2]:sub(1, 70), function()
        assert.equal(case[2], refusal(case[1]))
      end)
    end

    it("are refused at the caller's line", function()
      local fine, err = pcall(function()
        holdfast.new { server = 1 }
      end)
      assert.is_false(fine)
      assert.matches("^.-spec/unit/options_spec.lua:%d+: holdfast%.new: server must", err)
    end)

    it("that are no table at all", function()
      assert.has_error(function() holdfast.new() end, "holdfast.new: options must be a table, got nothing")
      assert.has_error(function() holdfast.new "mqtt://x" end, 'holdfast.new: options must be a table, got "mqtt://x"')
      assert.has_error(function() holdfast:new { server = "x" } end,
        "holdfast.new: call it with a dot, holdfast.new { ... }")
      assert.has_error(function() holdfast.new {} end,
        'holdfast.new: server is missing: say server = "mqtt://..." or servers = { ... }')
    end)
  end)

  it("never show a secret", function()
    assert.equal("password must be a string, got a number", refusal { username = "u", password = 31337 })
    for _, options in ipairs {
      { credentials = "hunter2" },
      { server = "mqtt://u:hunter2%40host" },
      { server = "mqtt://u:hun/hunter2%40host:99999" },
      { server = "mqtt://u:hunter2" },
      { server = "u:hunter2" },
      { server = "mqtt://[::1]:hunter2" },
      { server = "mqtt://host?password=hunter2" },
      { username = "hunter2", password = 2 },
      { username = "u\0hunter2" },
      { username = "u", password = ("hunter2"):rep(10000) },
      { server = "mqtts://x", tls = { key_password = { "hunter2" } } },
      { server = "mqtt://joe:hunter2@host" },
      { server = "joe:hunter2@host" },
      { server = "foo://joe:hunter2@host/path" },
      { servers = { "mqtt://joe:hunter2@host:99999" } },
    } do
      assert.not_matches("hunter2", refusal(options))
    end
  end)

  it("show a server's address as far as it is none", function()
    assert.equal('server must not have a user name or password; they have options of their own, got "mqtt://...@host"',
      refusal { server = "mqtt://u:hunter2%40host" })
    assert.equal("server has the port '...', which must be a number from 1 to 65535, got \"mqtt://host:...\"",
      refusal { server = "mqtt://host:188e" })
  end)

  describe("of the policy", function()
    local function rules(policy)
      local found = {}
      for row, rule in pairs(settings { policy = policy }.rules or {}) do
        for _, reason in ipairs(core.reason.all()) do
          if reason.row == row then
            found[reason.source .. " " .. reason.name] = rule
          end
        end
      end
      return found
    end

    local function plain(class)
      return { class = class, later = class, after = 0 }
    end

    it("resolve a name to every row that has a consequence", function()
      assert.same({
        ["connack not_authorized"] = plain "stop",
        ["connack_v3 not_authorized"] = plain "stop",
        ["disconnect not_authorized"] = plain "stop",
      }, rules { not_authorized = "stop" })
    end)

    it("resolve a code to the broker's rows only", function()
      assert.same({
        ["connack quota_exceeded"] = plain "stop",
        ["disconnect quota_exceeded"] = plain "stop",
      }, rules { [0x97] = "stop" })
      assert.same({ ["connack_v3 not_authorized"] = plain "retry" }, rules { [5] = "retry" })
    end)

    it("resolve no code that nobody has assigned", function()
      assert.equal("policy has the code 6, which no broker answers with", refusal { policy = { [6] = "stop" } })
      assert.same({ ["connack_v3 unsupported_protocol_version"] = plain "stop" }, rules { [1] = "stop" })
    end)

    it("resolve a class, which what is said of one reason outweighs", function()
      local found = rules { stop = "slow", banned = "stop", [0x8A] = "retry" }
      assert.same(plain "stop", found["connack banned"])
      assert.same(plain "slow", found["connack malformed_packet"])
      assert.is_nil(found["connack not_authorized"])
    end)

    it("weigh the same in whatever order they are written", function()
      for _, name in ipairs { "banned", "malformed_packet", "client_id_not_valid", "topic_name_invalid",
        "packet_too_large", "qos_not_supported", "retain_not_supported", "bad_authentication_method" } do
        local found = rules { [name] = "retry", stop = "slow" }
        assert.same(plain "retry", found["connack " .. name])
      end
    end)

    it("may say what follows later", function()
      local rule = { class = "slow", later = "stop", after = 3 }
      assert.same({ ["network name_not_found"] = rule }, rules { name_not_found = rule })
    end)

    it("are none when only the slow backoff is changed", function()
      assert.is_nil(settings { policy = { slow = { min = 60 } } }.rules)
    end)
  end)
end)
