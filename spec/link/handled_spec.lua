-- Exactly once for what is acknowledged late: our own link on a store as a killed process left it.
local files = require "spec.support.files"
local process = require "process_probe"
local worlds = require "spec.support.scripted_world"

for _, protocol in ipairs { 5, 4 } do
  describe("a message of QoS 2 that a process had in hand, version " .. protocol, function()
    local world, folder, generation

    local function begin()
      world = worlds.new { protocol = protocol, session_expiry = 60 }
      world.link:resume(folder .. "/" .. generation, "probe")
    end

    before_each(function()
      folder = assert(process.temporary_folder())
      generation = 1
      begin()
      world:connect { present = true }
    end)

    after_each(function()
      world:finish()
      process.remove_folder(folder)
    end)

    local function crash()
      files.copy_store(folder .. "/" .. generation, folder .. "/" .. generation + 1)
      world:finish()
      generation = generation + 1
      begin()
    end

    local function lose()
      world.link:finish()
      world.link:run()
      world:told()
    end

    local function send(dup)
      world:get(world:publish(2, 7, "a", "x", { dup = dup }))
      return (world:told())
    end

    local function acknowledge(receipt)
      world.link:acknowledge(2, receipt)
      world.link:run()
    end

    it("is told again", function()
      assert.same({ "message x q2 r1" }, send())
      crash()
      world:connect { present = true }
      assert.same({ "message x q2 r1" }, send(true))
      assert.same({}, world:sent())
      acknowledge(1)
      assert.same({ "pubrec 7" }, world:sent())
    end)

    it("is not told again once it was handled, though that could not be said any more", function()
      send()
      lose()
      acknowledge(1)
      crash()
      world:connect { present = true }
      assert.same({}, send(true))
      assert.same({ "pubrec 7" }, world:sent())
      world:get(world:ack("pubrel", 7))
      assert.same({ "pubcomp 7" }, world:sent())
      assert.same({ "message x q2 r1" }, send())
    end)

    it("is another one in another session", function()
      send()
      lose()
      acknowledge(1)
      world:connect { present = false }
      world:get(world:publish(2, 9, "a", "y"))
      acknowledge(2) -- what is written of it says that the session is another one
      lose()
      crash()
      world:connect { present = true }
      assert.same({ "message x q2 r1" }, send())
    end)

    it("is told again, though what came under its id before it was handled", function()
      send()
      lose()
      acknowledge(1)
      world:connect { present = true }
      world:get(world:publish(2, 7, "a", "y"))
      assert.same({ "message y q2 r2" }, (world:told()))
      crash()
      world:connect { present = true }
      world:get(world:publish(2, 7, "a", "y", { dup = true }))
      assert.same({ "message y q2 r1" }, (world:told()))
      assert.same({}, world:sent())
    end)

    it("is nobody's whose session was gone when it was handled", function()
      send()
      lose()
      world:connect { present = false }
      acknowledge(1)
      assert.same({}, world:sent())
      crash()
      world:connect { present = true }
      assert.same({ "message x q2 r1" }, send())
    end)
  end)
end
