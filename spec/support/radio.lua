--- A link between the spec and a program, in networks that nobody else has: slow, lossy, gone, moved, or with a portal
-- in front.
--
--     local air, why = radio.start()    -- nil where there is no such network to be had
--     air.before                        -- words in front of the program: it lives at the other end
--     radio.HERE, radio.ELSEWHERE       -- the spec's address, as the program sees it, and one that nobody listens at
--     air:set { rate = 100000, loss = 0.02 }   -- bytes a second, part of the packets, each way
--     air:cut() air:mend()              -- every packet is lost
--     air:down() air:move()             -- its address is gone; there is another one
--     air:roam()                        -- there is another one, and then the one that it had is gone
--     air:capture(port) air:release()   -- whatever it connects to, it is port that answers
--     air:finish()
--
-- The first one gives the process of the spec a network of its own, with all that it starts from then on: call it
-- before any client is made.
local process = require "process_probe"

local radio = { HERE = "10.99.0.1", ELSEWHERE = "10.99.200.1" }

local Radio = {}
Radio.__index = Radio

local is_alone = false

local function command(format, ...)
  local words = format:format(...)
  local pipe = assert(io.popen("(" .. words .. ") 2>&1 && echo fine"))
  local said = pipe:read "*a"
  pipe:close()
  if not said:find "fine\n$" then
    error(words .. ": " .. said, 2)
  end
end

local function inside(self, format, ...)
  command("nsenter --net=/proc/%d/ns/net " .. format, self.pid, ...)
end

local function connect(self)
  command "ip link set lo up"
  self.pid = assert(process.spawn { "unshare", "--net", "sleep", "3600" })
  local deadline = process.now() + 5000
  local function is_there() -- its network, and not ours
    local pipe = io.popen(("readlink /proc/self/ns/net /proc/%d/ns/net"):format(self.pid))
    local ours, its = pipe:read("*l"), pipe:read "*l"
    pipe:close()
    return its and ours ~= its
  end
  while not is_there() do
    assert(process.now() < deadline, "no second network")
    process.sleep(5)
  end
  command("ip link add here type veth peer name there netns %d", self.pid)
  command("ip address add %s/16 dev here && ip address add %s/16 dev here && ip link set here up", radio.HERE,
    radio.ELSEWHERE)
  inside(self, "ip link set lo up")
  self.address = 2
  inside(self, "ip address add 10.99.0.2/16 dev there")
  inside(self, "ip link set there up")
end

--- A link that loses nothing and knows no bounds.
-- @treturn ?table nil: there is none to be had
-- @treturn string why
function radio.start()
  if not is_alone then
    local fine, problem = process.own_network()
    if not fine then
      return nil, problem
    end
    is_alone = true
  end
  local self = setmetatable({}, Radio)
  local fine, problem = pcall(connect, self)
  if not fine then
    self:finish()
    return nil, problem
  end
  self.before = { "nsenter", ("--net=/proc/%d/ns/net"):format(self.pid) }
  return self
end

--- What it takes and loses, each way.
-- @tparam table how `rate` (bytes a second; nil: no limit), `loss` (part of the packets, 0), `evenly` (each n-th packet
-- is lost, and not one by chance: two of a row, of which the second is what makes good for the first, cost seconds)
-- @treturn table self
function Radio:set(how)
  for device, run in pairs { here = command, there = function(...) return inside(self, ...) end } do
    run("sh -c 'iptables -F INPUT; tc qdisc del dev %s root 2>/dev/null; true'", device)
    if how.rate then
      run("tc qdisc add dev %s root tbf rate %dbit burst 3kb latency 300ms", device, how.rate * 8)
    end
    if how.loss and how.loss > 0 then
      local which = how.evenly and ("nth --every %d --packet 0"):format(math.floor(1 / how.loss + 0.5))
        or ("random --probability %.4f"):format(how.loss)
      run("iptables -A INPUT -i %s -m statistic --mode %s -j DROP", device, which)
    end
  end
  return self
end

--- Every packet is lost, without a word.
function Radio:cut()
  return self:set { loss = 1 }
end

--- No packet is lost.
function Radio:mend()
  return self:set {}
end

--- The interface of the program is down, and has no address.
function Radio:down()
  inside(self, "ip link set there down")
  inside(self, "ip address flush dev there")
  return self
end

--- The interface of the program is up, with an address that it has not had.
function Radio:move()
  self:down()
  self.address = self.address + 1
  inside(self, "ip address add 10.99.0.%d/16 dev there", self.address)
  inside(self, "ip link set there up")
  return self
end

--- The interface of the program, which stays up, has another address, and then not the one any more that it had.
function Radio:roam()
  inside(self, "sh -c 'echo 1 >/proc/sys/net/ipv4/conf/there/promote_secondaries'") -- what is left stays
  inside(self, "ip address add 10.99.0.%d/16 dev there", self.address + 1)
  inside(self, "ip address delete 10.99.0.%d/16 dev there", self.address)
  self.address = self.address + 1
  return self
end

--- Whatever the program connects to, it reaches that port of the spec; connections that stand are not touched.
function Radio:capture(port)
  command("iptables -t nat -A PREROUTING -i here -p tcp -j REDIRECT --to-port %d", port)
  return self
end

--- Connections lead to where they are to again.
function Radio:release()
  command "iptables -t nat -F PREROUTING"
  return self
end

--- The link is gone, and the program's network with it.
function Radio:finish()
  if self.pid then
    pcall(command, "ip link delete here")
    process.kill(self.pid, "KILL")
    process.wait(self.pid, 5000)
    self.pid = nil
  end
end

return radio
