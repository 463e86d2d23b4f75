--- Topic names and topic filters: what they may look like, and which matches which (MQTT 5 section 4.7).
-- @module holdfast.topic
local check = require "holdfast.check"
local core = require "holdfast.core"
local text = require "holdfast.text"

local topic = {}

local kinds = { name = check.topic, filter = check.filter }
local row = {}

--- Checks a topic name or a topic filter, as the calls of a client do.
-- @param given
-- @tparam[opt="name"] string kind "name", which has no wildcards, or "filter"
-- @treturn ?boolean true, or nil
-- @treturn ?string message what is wrong: "topic must not be empty, got ..."
-- @raise when the kind is unknown
-- @usage
-- print(holdfast.topic.check("a/+/b")) --> nil and what is wrong
-- print(holdfast.topic.check("a/+/b", "filter")) --> true
function topic.check(given, kind)
  local test = kinds[kind == nil and "name" or kind]
  if not test then
    error(('topic.check: kind must be "name" or "filter", got %s'):format(text.describe(kind)), 2)
  end
  local fine, problem = test(given, row)
  if fine == nil then
    return nil, (kind == "filter" and "filter " or "topic ") .. problem
  end
  return true
end

--- Whether a message on a topic belongs to a filter. "$share/group/..." counts by what follows the group; a wildcard at
-- the start does not match a name that starts with "$" [MQTT-4.7.2-1].
-- @tparam string filter
-- @tparam string name
-- @treturn boolean
-- @raise when one of them is none
-- @usage
-- print(holdfast.topic.match("a/+/b", "a/x/b")) --> true
function topic.match(filter, name)
  local fine, problem = topic.check(filter, "filter")
  if fine then
    fine, problem = topic.check(name)
  end
  if not fine then
    error("topic.match: " .. problem, 2)
  end
  return core.topic_matches(filter, name)
end

return topic
