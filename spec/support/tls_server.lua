--- openssl(1) as a server for specs: it answers each line turned round, and says whom it has served.
--
--     local server = tls_server.start { folder = folder, certificate = "server", "-tls1_3" }
--     server:said()             -- all that it has printed
--     server:resumed(world, 3)  -- how many of 3 handshakes took a session up again
--
-- With `fed = true` it does not answer: what it hears is in server:said(), and server:say(bytes) is what it says. (It
-- takes some letters at the beginning for orders, Q among them.)

local process = require "process_probe"

local tls_server = {}
tls_server.__index = tls_server

local running = {}

--- `certificate` names one of spec.support.certificates, false for none; the rest are arguments of s_server.
function tls_server.start(options)
  local self = setmetatable({ port = options.port or process.free_port() }, tls_server)
  self.output = ("%s/said-%d-%d"):format(options.folder, self.port, #running)
  local words = { "openssl", "s_server", "-accept", "127.0.0.1:" .. self.port, "-no_anti_replay" }
  if options.fed then
    self.fifo = self.output .. ".in"
    assert(os.execute("mkfifo " .. self.fifo))
    self.feed = assert(io.open(self.fifo, "r+"))
    for place, word in ipairs { "sh", "-c", 'exec "$@" <>' .. self.fifo, "sh" } do
      table.insert(words, place, word)
    end
  else
    words[#words + 1] = "-rev"
  end
  if options.config then
    table.insert(words, 1, "OPENSSL_CONF=" .. options.config)
    table.insert(words, 1, "env")
  end
  if options.certificate then
    for _, word in ipairs { "-cert", options.folder .. "/" .. options.certificate .. ".pem", "-key",
      options.folder .. "/" .. options.certificate .. ".key" } do
      words[#words + 1] = word
    end
  else
    words[#words + 1] = "-nocert"
  end
  for _, word in ipairs(options) do
    words[#words + 1] = word
  end
  self.pid = assert(process.spawn(words, self.output))
  running[#running + 1] = self
  local deadline = process.now() + 10000
  while not process.listens(self.port) do
    assert(process.now() < deadline, "openssl does not listen: " .. self:said())
    process.sleep(10)
  end
  return self
end

function tls_server:said()
  local file = io.open(self.output, "rb")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

function tls_server:say(bytes)
  assert(self.feed:write(bytes))
  self.feed:flush()
end

function tls_server:count(words)
  local _, count = self:said():gsub(words, "")
  return count
end

--- Turns `world` until there were so many -> how many of them were resumed: only whole ones speak of signatures.
function tls_server:resumed(world, wanted)
  local all, whole
  world:wait(function()
    all, whole = self:count "CONNECTION ESTABLISHED", self:count "Signature Algorithms"
    return all >= wanted
  end)
  assert(all == wanted, ("%d handshakes, not %d: "):format(all, wanted) .. self:said())
  return all - whole
end

--- Whose certificates it has seen, in the order of the handshakes; "-" where there was none.
function tls_server:seen()
  local names = {}
  for text in self:said():gmatch "CONNECTION ESTABLISHED(.-)CONNECTION CLOSED" do
    names[#names + 1] = text:match "Peer certificate: CN ?= ?(%w+)" or "-"
  end
  return table.concat(names, " ")
end

function tls_server:stop()
  if not self.pid then return end
  process.kill(self.pid, "KILL")
  process.wait(self.pid, 5000)
  self.pid = nil
end

function tls_server.finish()
  for _, one in ipairs(running) do
    one:stop()
    os.remove(one.output)
    if one.fifo then
      one.feed:close()
      os.remove(one.fifo)
    end
  end
  running = {}
end

return tls_server
