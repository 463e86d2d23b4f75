--- What `holdfast.prometheus` answers, of the process and the clients of this Lua state.
-- @module holdfast.prometheus
local exposition = require "holdfast.exposition"
local families = require "holdfast.families"
local metrics = require "holdfast.metrics"

local prometheus = {}

-- Where a series of a client begins: its id, which may be that of another client, too, at another broker.
local function names_of(clients)
  local taken, names = {}, {}
  for index, client in ipairs(clients) do
    local name = exposition.text(client.status.client_id) -- what two of them are cut to may be shown as one
    while taken[name] do
      name = ("%s #%d"):format(name, client.number)
    end
    taken[name], names[index] = true, name
  end
  return names
end

-- As canonical numbers of OpenMetrics are: 1.0 in place of 1, so that both formats have the same series.
local function bound(value)
  local written = exposition.number(value)
  return written:find "^%-?%d+$" and written .. ".0" or written
end

-- `fixed`: names and values of labels, in front of the family's own; `rest`: behind them.
local function sampler(samples, family, fixed, rest)
  local suffix = family.type == "counter" and "_total" or family.type == "info" and "_info" or ""
  return function(value, ...)
    local labels = { fixed[1], fixed[2] }
    for index, name in ipairs(family.labels) do
      labels[#labels + 1], labels[#labels + 2] = name, (select(index, ...))
    end
    for _, word in ipairs(rest) do
      labels[#labels + 1] = word
    end
    samples[#samples + 1] = {
      family = family.name, suffix = suffix, value = exposition.number(value), labels = exposition.labels(labels),
    }
  end
end

local function add_histogram(samples, family, histogram, rest)
  local function add(suffix, value, labels)
    for _, word in ipairs(rest) do
      labels[#labels + 1] = word
    end
    samples[#samples + 1] = {
      family = family.name, suffix = suffix, value = exposition.number(value), labels = exposition.labels(labels),
    }
  end
  for _, bucket in ipairs(histogram.buckets) do
    add("_bucket", bucket.count, { "le", bound(bucket.le) })
  end
  add("_count", histogram.count, {})
  add("_sum", histogram.sum, {})
end

-- { name = value } as names and values by turns, in one order.
local function list_of(labels)
  local names, list = {}, {}
  for name in pairs(labels or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    list[#list + 1], list[#list + 2] = name, labels[name]
  end
  return list
end

--- All samples of this moment.
-- @tparam table options `labels`, `clients`
-- @treturn {table,...} as @{holdfast.exposition} has them
function prometheus.samples(options)
  local samples, rest, clients = {}, list_of(options.labels), metrics.clients()
  local totals, listed = metrics.of(clients), math.min(#clients, options.clients)
  totals.unlisted = #clients - listed
  local names = names_of(clients)
  for _, family in ipairs(families) do
    if family.type == "histogram" then
      add_histogram(samples, family, totals[family.read], rest)
    elseif family.of == "process" then
      family.read(sampler(samples, family, {}, rest), totals)
    end
    for index = 1, family.of == "client" and listed or 0 do
      family.read(sampler(samples, family, { "client", names[index] }, rest), clients[index].status)
    end
  end
  return samples
end

--- What `holdfast.prometheus` answers.
-- @tparam table options checked, with defaults
-- @treturn string
-- @treturn string its content type
function prometheus.text(options)
  return exposition.write(prometheus.samples(options), options.format)
end

return prometheus
