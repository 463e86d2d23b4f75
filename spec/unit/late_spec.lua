-- What is read late comes from where the rest came from, and nobody sees that it is late.
local files = require "spec.support.files"
local process = require "process_probe"
local tree = require "spec.support.tree"

local ROOT = tree.command("pwd -P")[1]

-- What a script prints, which is started in `folder` with holdfast by a relative path.
local function run(folder, code)
  files.write(folder .. "/code.lua", code)
  local suffix = _VERSION:match "5%.[2-9]"
  local name = "LUA_PATH" .. (suffix and "_" .. suffix:gsub("%.", "_") or "")
  return table.concat(tree.command(("cd '%s' && %s='./lua/?.lua;./lua/?/init.lua' '%s' code.lua 2>&1"):format(folder,
    name, os.getenv "LUA")), "\n")
end

local HOSTS = { cqueues = true, copas = true, luv = true, openresty = true, crew = true, guest = true }

-- What no program reads, or belongs to the fleet or the command, or to another library's loop.
local function is_elsewhere(name)
  local host = name:match "^holdfast%.loop%.(%w+)$"
  return name == "holdfast.reference" or name:find "^holdfast%.fleet%." ~= nil or name:find "^holdfast%.command" ~= nil
     or host ~= nil and HOSTS[host] ~= nil
end

describe("what is read late", function()
  local folder

  setup(function()
    folder = process.temporary_folder()
    os.execute(("ln -s '%s/lua' '%s/lua'"):format(ROOT, folder))
  end)

  teardown(function()
    process.remove_folder(folder)
  end)

  it("comes from the same folder, wherever the program has gone to meanwhile", function()
    assert.equal("true\ttrue\tthe path is ours\t0", run(folder, [[
      local holdfast = require "holdfast"
      local client = holdfast.new { server = "mqtt://127.0.0.1:1", transport = "native" }
      local path = package.path
      package.path = "the path is ours"
      require "lfs".chdir "/"
      assert(not package.loaded["holdfast.topic"])
      local subscription = client:subscribe("a", print)
      print(subscription.filter == "a", holdfast.topic.match("a/#", "a/b"), package.path, subscription.dropped)
    ]]))
  end)

  it("belongs to those who were read before, not to others of the same name", function()
    assert.equal("true\tfalse\tnil\ttrue", run(folder, [[
      local holdfast = require "holdfast"
      local old = holdfast.new { server = "mqtt://127.0.0.1:1", transport = "native" }
      local registry = require "holdfast.registry"
      for name in pairs(package.loaded) do
        package.loaded[name] = not name:find "^holdfast" and package.loaded[name] or nil
      end
      local other = require "holdfast"
      local another = require "holdfast.registry"
      print(holdfast.topic.match("a/#", "a/b") and old:subscribe "b" ~= nil, registry == another,
        package.loaded["holdfast.topic"], package.loaded["holdfast.registry"] == another and other ~= holdfast)
    ]]))
  end)

  it("tells misuse at the caller's line from the first call on", function()
    local said = run(folder, [[
      local client = require "holdfast".new { server = "mqtt://127.0.0.1:1", transport = "native" }
      print(pcall(function()
        local a = client:on("nothing", print)
        return a
      end))
      print(pcall(function()
        local a = client:subscribe("a/#/b")
        return a
      end))
      print(pcall(function()
        local a = client.wait("lost", 1)
        return a
      end))
    ]])
    assert.matches("code.lua:3: on: unknown event", said)
    assert.matches("code.lua:7: subscribe: filter", said)
    assert.matches("code.lua:11: wait: call it with a colon", said)
  end)

  it("says what could not be read, and is read when it can be", function()
    assert.equal("nil\ttrue\ttrue\nfunction", run(folder, [[
      local holdfast = require "holdfast"
      package.preload["holdfast.fleet.model"] = function() error("it is gone", 0) end
      local fine, problem = pcall(function() return holdfast.fleet end)
      print(fine or nil, problem:find("holdfast: holdfast.fleet, which this needs, cannot be read", 1, true) == 1,
        problem:find "it is gone" ~= nil)
      package.preload["holdfast.fleet.model"] = nil
      print(type(holdfast.fleet.run))
    ]]))
  end)

  -- A hook that throws at one line of the first `require`, at another one each time.
  it("is read by the next who asks, where who asked first was interrupted", function()
    assert.equal("fine", run(folder, [[
      if jit then
        jit.off() -- what is compiled calls no hook
      end
      local left
      local function strike()
        if debug.getinfo(2, "S").source:find("lua/holdfast/", 1, true) then
          left = left - 1
          if left == 0 then
            error("struck", 0)
          end
        end
      end
      local at, fine, problem = 3, nil, nil -- the first two take away what stands for what is being read
      repeat
        left = at
        debug.sethook(strike, "l")
        fine, problem = pcall(require, "holdfast")
        debug.sethook()
        assert(fine or problem:find "struck$", problem)
        local client = require "holdfast".new { server = "mqtt://127.0.0.1:1", transport = "native" }
        assert(client:status().state == "idle" and client:close())
        for name in pairs(package.loaded) do
          package.loaded[name] = not name:find "^holdfast" and package.loaded[name] or nil
        end
        at = at + at % 13 + 31
      until fine
      print(at > 300 and "fine" or at)
    ]]))
  end)

  it("can be read at once", function()
    local said = run(folder, [[
      local holdfast = require "holdfast.whole"
      for name in pairs(package.loaded) do
        print(name:match "^holdfast.*" or "-")
      end
      package.path = ""
      local searchers = package.searchers or package.loaders
      while #searchers > 0 do
        table.remove(searchers)
      end
      local client = holdfast.new { server = "mqtt://127.0.0.1:1", transport = "native" }
      client:on("lost", print)
      client:subscribe("a", { qos = 1 }, print)
      holdfast.run(function() holdfast.spawn(function() end):join() end)
      print(pcall(client.on, client, "nothing"))
    ]])
    assert.matches("unknown event", said)
    said = "\n" .. said
    for _, path in ipairs(tree.files("lua/holdfast", "*.lua")) do
      local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
      assert.is_true(is_elsewhere(name) or said:find("\n" .. name .. "\n", 1, true) ~= nil, name .. " is not there")
    end
  end)
end)
