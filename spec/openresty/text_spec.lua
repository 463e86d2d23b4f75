-- What an HTTP client puts into a topic, percent-encoded, is refused before it costs the worker its connection. #broker
if not jit or os.getenv "HOLDFAST_SANITIZE" then
  return -- nginx runs LuaJIT, with the module that is built for it, and brings no checker along
end

local mosquitto = require "spec.support.mosquitto"
local nginx = require "spec.support.nginx"

describe("a topic from a request #broker", function()
  after_each(function()
    nginx.finish()
    mosquitto.finish()
  end)

  it("with a control character or a non-character is refused, and the worker's connection stands", function()
    local broker = mosquitto.start()
    local server = nginx.start {
      init_worker = ([[
        lost = 0
        client = assert(require "resty.holdfast":new { server = "mqtt://127.0.0.1:%d" })
        client:on("lost", function() lost = lost + 1 end)
        client:start()
      ]]):format(broker.port),
      locations = {
        ["/call"] = [[
          local arguments = ngx.req.get_uri_args()
          local fine, answer = pcall(client[arguments.call], client, arguments.topic,
            arguments.call ~= "subscribe" and "payload" or nil, arguments.call ~= "subscribe" and { qos = 1 } or nil)
          ngx.say(fine and "taken" or tostring(answer))
        ]],
        ["/stands"] = "ngx.say(tostring(client:status().ready), lost)",
      },
    }
    server:eventually("/stands", "^true0$")
    for _, call in ipairs { "publish", "post", "subscribe" } do
      for _, junk in ipairs { "junk%%09", "%%C2%%85", "%%7F", "a%%EF%%BF%%BE" } do
        assert.is_truthy(server:answer(("/call?call=%s&topic=" .. junk):format(call)):find "must not contain [cn]o",
          call .. " " .. junk)
      end
      assert.are.equal("taken", server:answer("/call?call=" .. call .. "&topic=fine"))
    end
    assert.are.equal("taken", server:answer "/call?call=publish&topic=last")
    assert.are.equal("true0", server:answer "/stands")
  end)
end)
