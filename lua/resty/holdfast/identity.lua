--- Whether two workers hold a connection under one client id: a broker lets in only one of them.
-- The evidence is a claim on the id and the server, which a client has while it lives (`core.claim`). At a reload, or
-- an upgrade of the binary, the worker before has it until it has left, so what is taken is asked for once more.
-- @module resty.holdfast.identity
local core = require "holdfast.core"
local log = require "holdfast.log"

local identity = {}

local LEAVING = 6.5 -- seconds that the worker before has to leave its client
local WORDS = 'another client on this machine has the client_id "%s" at %s, perhaps that of another worker: a broker '
  .. "lets in only one of them, so they will take the connection from each other for ever; have $worker or "
  .. "ngx.worker.id() in it"
-- Where a function has the servers, they may be two.
local PERHAPS = 'another client on this machine has the client_id "%s" and a function for its server, too, perhaps '
  .. "that of another worker: if both are led to one broker, it lets in only one of them, so they will take the "
  .. "connection from each other for ever; have $worker or ngx.worker.id() in it"

local told = {} -- name -> what makes this worker the one that tells

local function tell(name, id, server)
  told[name] = told[name] or core.claim("told " .. name)
  if told[name] then
    log.write("warning", server and WORDS:format(id, server) or PERHAPS:format(id), { client = id, event = "twin" })
  end
end

--- A client has been made whose id does not die with its worker.
-- @tparam holdfast.client client
-- @tparam string id
function identity.claim(client, id)
  local server = client.servers[1] or { host = "", port = 0 } -- a function has them
  local name = ngx.md5(("%s\0%s:%d"):format(id, server.host:lower(), server.port))
  local held, taken = core.claim(name)
  function client.let_go()
    if held then
      held:release()
    end
  end
  if taken then
    ngx.timer.at(LEAVING, function(premature)
      if not premature and not client.closing then
        held, taken = core.claim(name)
        if taken then
          tell(name, id, server.text)
        end
      end
    end)
  end
end

return identity
