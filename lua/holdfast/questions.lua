--- What a client is asked by the keeper: its credentials, and how long to wait.
-- @module holdfast.questions
local budget = require "holdfast.budget"
local check = require "holdfast.check"
local events = require "holdfast.events"
local loop = require "holdfast.loop"
local protect = require "holdfast.loop.protect"
local registry = require "holdfast.registry"
local late = require "holdfast.late"
local text = require "holdfast.text"

local authenticating = late.module "holdfast.authenticating"
local join = late.module "holdfast.join"

local questions = {}

local username_row, password_row, headers_row = { secret = true }, { secret = true }, { secret = true }
local proxy_row, server_row = { secret = true }, {}

-- One question of a kind is open at a time. `client.answering` knows in which coroutine its function runs: a call there
-- that waits for the connection would wait for itself.
local function call(client, kind, fn, ...)
  client.handle:beware(true)
  client.answering[kind] = protect.running()
  local one, other = fn(...)
  client.answering[kind] = nil
  return one, other
end

-- The ticket that an answer is for: of the latest question, and then none is open any more.
local function close_question(client, kind)
  local ticket = client.questions[kind]
  client.questions[kind], client.answering[kind] = nil, nil
  return ticket
end

-- Both are answered, or nil, and nil and why not.
local function found_credentials(client, attempt)
  local username, password = call(client, "credentials", client.credentials, attempt)
  if username == nil then
    return nil, nil, type(password) == "string" and password or "the credentials function returned none"
  end
  local fine, problem = check.text(username, username_row)
  if not fine then
    return nil, nil, "the user name " .. problem
  elseif password ~= nil then
    fine, problem = check.bytes(password, password_row)
  end
  return username, password, not fine and "the password " .. problem or nil
end

local function found_headers(client, attempt)
  local headers, problem = call(client, "credentials", client.headers, attempt)
  if headers == nil then
    return nil, type(problem) == "string" and problem or "the headers function returned none"
  end
  headers, problem = check.headers(headers, headers_row)
  if type(headers) ~= "string" then
    return nil, "what the headers function returned " .. (problem or "is a function")
  end
  return headers
end

local function found_proxy(client, attempt)
  local proxy, problem = call(client, "credentials", client.proxy, attempt)
  if proxy == false then
    return nil
  elseif proxy == nil then
    return nil, type(problem) == "string" and problem
      or "the proxy function returned none; false goes to the server directly"
  end
  local fine
  fine, problem = check.proxy(proxy, proxy_row)
  if type(fine) ~= "string" or fine == "environment" then
    return nil, "what the proxy function returned " .. (problem or "must be an address or false")
  end
  return proxy
end

local function found_server(client, attempt)
  local address, problem = call(client, "credentials", client.server, attempt)
  if address == nil then
    return nil, type(problem) == "string" and problem or "the server function returned none"
  end
  local fine
  fine, problem = check.server(address, server_row)
  if not fine then
    return nil, "what the server function returned " .. problem
  end
  problem = join.problem(fine.road)
  if problem then
    return nil, "what the server function returned is reached by QUIC, and " .. problem
  end
  return address
end

-- What is open is marked by whoever sees to it: its coroutine may not come about.
local function find_credentials(client, ticket, attempt)
  local is_open = client.questions.credentials
  client.questions.credentials = ticket
  if is_open then
    return
  end
  local username, password, headers, proxy, server, first, problem
  if client.server then
    server, problem = found_server(client, attempt)
  end
  if client.credentials and not problem then
    username, password, problem = found_credentials(client, attempt)
  end
  if client.headers and not problem then
    headers, problem = found_headers(client, attempt)
  end
  if client.proxy and not problem then
    proxy, problem = found_proxy(client, attempt)
  end
  if client.auth_start and not problem then
    first, problem = authenticating.first(client, attempt, "credentials")
  end
  ticket = close_question(client, "credentials")
  if problem then
    client.handle:credentials(ticket, false, problem)
  else
    client.handle:credentials(ticket, username, password, headers, proxy, server, first)
  end
end

-- One that has ended before it was open has its own ticket alone.
local function credentials_found(client, ticket, err, trace)
  if err ~= nil then
    client.handle:credentials(close_question(client, "credentials") or ticket, false, trace:match "^[^\n]*")
    events.report(client, err, trace)
  end
end

--- Asks for what to say of itself, and to a WebSocket's server. An attempt that comes while the function still runs for
-- the one before gets that answer.
-- @tparam table client
-- @param ticket
-- @tparam number attempt
function questions.credentials(client, ticket, attempt)
  registry.handed()
  if client.questions.credentials then
    client.questions.credentials = ticket
  else
    loop.serve(credentials_found, client, ticket, find_credentials, client, ticket, attempt)
  end
end

local function find_delay(client, ticket, failure)
  client.questions.backoff = ticket
  local answer = call(client, "backoff", client.strategy, failure)
  local milliseconds = answer
  if type(answer) == "number" and not check.timeout_problem(answer) then
    milliseconds = math.floor(answer * 1000 + 0.5)
  elseif answer ~= nil and answer ~= false then
    local words = text.format("backoff must return seconds, false or nil, got %s; the built-in delay of %g s is used",
      text.describe(answer), failure.retry_in)
    answer, milliseconds = nil, nil
    events.report(client, words, words)
  end
  if client.asking == ticket then -- it has not waited, so the event that is about to be told can say the truth
    client.chosen = answer
  end
  client.handle:delay(ticket, milliseconds)
end

local function answered(client, _, err, trace)
  if err ~= nil then
    events.report(client, err, trace)
  end
end

local function delay_found(client, _, err, trace)
  close_question(client, "backoff")
  answered(client, nil, err, trace)
end

--- Asks how long to wait. A failure that comes while the function still thinks about the one before takes the built-in
-- delay.
-- @tparam table client
-- @param ticket
-- @tparam table failure
function questions.delay(client, ticket, failure)
  registry.handed()
  if client.questions.backoff then
    return
  end
  client.asking = ticket
  loop.serve(delay_found, client, nil, find_delay, client, ticket, failure)
  client.asking = nil
end

--- Another process has a say in whether an attempt may begin.
-- @tparam table client
-- @param ticket
function questions.turn(client, ticket)
  registry.handed()
  loop.serve(answered, client, nil, budget.answer, client, ticket)
end

return questions
