-- Paho 1.3.12 frees a message twice whose write fails, or for which a wrong answer comes, unless it is kept from it. It
-- counts what it frees, and says so in its trace when that is not there any more. #broker
local holdfast = require "holdfast"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"

describe("the memory of a message that Paho sends #broker", function()
  local broker, client, complaints

  before_each(function()
    complaints = {}
    holdfast.log(function(_, message)
      if message:find("heap item", 1, true) then complaints[#complaints + 1] = message end
    end, { trace = "error" })
    broker = scripted.listen()
    client = holdfast.new { server = "mqtt://127.0.0.1:" .. broker.port, transport = "paho",
      backoff = { min = 0.001, max = 0.001 } }
    client:start()
  end)

  after_each(function()
    client:close()
    broker:close()
    holdfast.sleep(0.1)
    holdfast.log(nil)
  end)

  for qos, right in pairs { [1] = "puback", [2] = "pubrec" } do
    it("is freed once when a wrong answer comes before the right one, QoS " .. qos, function()
      local peer = broker:welcome()
      client:post("a", "x", { qos = qos })
      local id = peer:expect("publish").id
      peer:answer("pubcomp", id)
      peer:answer(right, id)
      if qos == 2 then
        peer:expect "pubrel"
        peer:answer("pubcomp", id)
      end
      holdfast.sleep(0.1)
      peer:close()
      broker:welcome() -- the first handle is gone
      holdfast.sleep(0.1)
      assert.same({}, complaints)
    end)
  end

  it("is freed once when the connection is reset in the middle of many", function()
    local payload = ("x"):rep(1000)
    for round = 1, 40 do
      local peer = broker:welcome()
      for _ = 1, 100 do client:post("a", payload, { qos = 1 }) end
      process.sleep(round % 4)
      peer:reset()
    end
    broker:welcome()
    holdfast.sleep(0.1)
    assert.same({}, complaints)
  end)
end)
