-- The programs that README.md and docs/ show run as they stand: what begins with `local holdfast = require "holdfast"`
-- is a whole one. It comes to its end, or gets from its broker an answer to each kind of thing that it asks. #broker
local mosquitto = require "spec.support.mosquitto"
local pages = require "spec.support.pages"
local process = require "process_probe"
local tree = require "spec.support.tree"

describe("every program that is shown #broker", function()
  local broker, folder, pid

  before_each(function()
    broker = mosquitto.start()
    folder = process.temporary_folder()
  end)

  after_each(function()
    if pid then
      process.kill(pid, "KILL")
      process.wait(pid, 5000)
      pid = nil
    end
    mosquitto.finish()
    process.remove_folder(folder)
  end)

  local function run(block)
    local program = block.text:gsub("mqtt://localhost", "mqtt://127.0.0.1:" .. broker.port)
      :gsub('store = "', 'store = "' .. folder .. "/")
    local file = assert(io.open(folder .. "/program.lua", "w"))
    file:write(program)
    file:close()
    file = assert(io.open(folder .. "/whole.lua", "w"))
    file:write("print = function() end\n", "local fine, problem = pcall(dofile, arg[1])\n",
      "io.stderr:write(fine and 'ENDED' or tostring(problem))\n")
    file:close()
    pid = process.spawn({ os.getenv "LUA", folder .. "/whole.lua", folder .. "/program.lua" }, folder .. "/output")
    local answers = { [":start"] = "CONNACK", [":connect"] = "CONNACK", [":subscribe"] = "SUBACK",
      [":publish"] = "PUBACK" }
    local deadline = process.now() + 20000
    local output, missing
    repeat
      process.sleep(20)
      output, missing = tree.read(folder .. "/output"), nil
      for call, answer in pairs(answers) do
        if program:find(call, 1, true) and not broker:log():find("Sending " .. answer, 1, true) then
          missing = answer
        end
      end
    until output ~= "" or not missing or process.now() > deadline
    assert.is_true(output == "" or output == "ENDED", block.place .. ": " .. output)
    assert.is_nil(missing, block.place)
  end

  for _, block in ipairs(pages.blocks "lua") do
    if block.text:match '^local holdfast = require "holdfast"\n' then
      it("runs: " .. block.place, function()
        run(block)
      end)
    end
  end
end)
