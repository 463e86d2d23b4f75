-- Exactly once over the end of a process: the files of its store as it left them, and a new link on them.
local files = require "spec.support.files"
local process = require "process_probe"
local scripted = require "spec.support.scripted_broker"
local worlds = require "spec.support.worlds"

local world = worlds.alone

for _, protocol in ipairs { 5, 4 } do
  describe("a session that a process has left behind, protocol " .. protocol .. " #broker", function()
    local broker, folder, link, generation

    before_each(function()
      folder = assert(process.temporary_folder())
      broker = scripted.listen()
      world.attempt = { port = broker.port, protocol = protocol, session_expiry = 100, client_id = "c" }
      generation = 1
      link = world:link()
      link:resume(folder .. "/1", "c")
    end)

    after_each(function()
      world:finish()
      broker:close()
      process.remove_folder(folder)
    end)

    local function connect(session_present)
      link:open {}
      local client = broker:welcome { session_present = session_present }
      assert(link:wait "connected", link:story())
      return client
    end

    --- The process is killed: what its store holds in this moment is what the next one finds.
    local function crash()
      local old, new = folder .. "/" .. generation, folder .. "/" .. generation + 1
      files.copy_store(old, new)
      link:destroy()
      generation = generation + 1
      link = world:link()
      link:resume(new, "c")
    end

    local function publish(client, id, payload)
      assert.is_true(link:keep(id, payload))
      assert.is_true(link:publish(id, "a", payload, 2))
      return client:expect "publish"
    end

    it("goes on with a PUBLISH without PUBREC, under its id", function()
      local first = publish(connect(), 1, "payload")
      crash()
      local client = connect(true)
      local again = client:expect "publish"
      assert.are.same({ first.id, "a", "payload", 2, true },
        { again.id, again.topic, again.payload, again.qos, again.duplicate })
      client:answer("pubrec", again.id)
      client:expect "pubrel"
      client:answer("pubcomp", again.id)
      local delivered = link:wait "delivered"
      assert.are.same({ 1, 0 }, { delivered.id, delivered.result })
    end)

    it("goes on with PUBREL when PUBREC has come", function()
      local client = connect()
      local first = publish(client, 1, "payload")
      client:answer("pubrec", first.id)
      client:expect "pubrel"
      crash()
      client = connect(true)
      assert.are.equal(first.id, client:expect("pubrel").id)
      client:answer("pubcomp", first.id)
      assert.are.equal(0, link:wait("delivered").result)
    end)

    it("goes on in order, twice", function()
      local client, ids = connect(), {}
      for id = 1, 3 do
        ids[id] = publish(client, id, "payload " .. id).id
      end
      for _ = 1, 2 do
        crash()
        client = connect(true)
        for id = 1, 3 do
          local again = client:expect "publish"
          assert.are.same({ ids[id], "payload " .. id }, { again.id, again.payload })
        end
      end
    end)

    it("gives back what the broker has forgotten", function()
      publish(connect(), 1, "payload")
      crash()
      local client = connect(false)
      assert.are.same({ [1] = -1 }, (select(2, link:outcomes()))) -- before it is told that it is connected
      assert.is_nil((client:packet(100)))
    end)

    it("does not tell again what was told", function()
      local client = connect(true)
      client:publish { id = 5, topic = "a", payload = "payload", qos = 2 }
      client:expect "pubrec"
      if protocol == 5 then
        assert(link:wait "message")
      end
      crash()
      client = connect(true)
      client:publish { id = 5, topic = "a", payload = "payload", qos = 2, duplicate = true }
      client:expect "pubrec"
      client:answer("pubrel", 5)
      client:expect "pubcomp"
      local told = {}
      for _, mail in ipairs(link:rest(100)) do
        told[#told + 1] = mail.kind == "message" and mail.payload or nil
      end
      assert.are.same(protocol == 4 and { "payload" } or {}, told) -- 3.1.1 tells it at PUBREL
    end)

    it("tells what it has not told, though PUBLISH does not come again", function()
      local client = connect(true)
      client:publish { id = 5, topic = "a", payload = "payload", qos = 2 }
      client:expect "pubrec"
      crash()
      client = connect(true)
      client:answer("pubrel", 5)
      client:expect "pubcomp"
      local message = link:wait("message", 200)
      assert.are.equal(protocol == 4 and "payload" or nil, message and message.payload)
    end)

    it("takes the id of an exchange that is over for a new message", function()
      local client = connect(true)
      client:publish { id = 5, topic = "a", payload = "old", qos = 2 }
      client:expect "pubrec"
      client:answer("pubrel", 5)
      client:expect "pubcomp"
      crash()
      client = connect(true)
      client:publish { id = 5, topic = "a", payload = "new", qos = 2 }
      client:expect "pubrec"
      client:answer("pubrel", 5)
      client:expect "pubcomp"
      assert.are.equal("new", link:wait("message").payload)
    end)

    it("is another one in another protocol", function()
      publish(connect(), 1, "payload")
      crash()
      link:open { protocol = 9 - protocol }
      local delivered = link:wait "delivered"
      assert.are.same({ 1, -1 }, { delivered.id, delivered.result })
    end)
  end)
end
