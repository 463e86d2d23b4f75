-- A broker that sends and leaves the answers unread: our own link goes on reading as long as that can be within the
-- protocol, then waits until the broker has read, and has an end where it does not.
local worlds = require "spec.support.scripted_world"

local MOST = 131072 -- answers that wait
local READ = 8000 -- messages at once, at least
local LOST = "down connection_lost: more than 65,536 answers, of which the broker has read none for a minute"

for _, protocol in ipairs { 5, 4 } do
  describe("a broker that leaves its answers unread, version " .. protocol, function()
    local world, link

    before_each(function()
      world = worlds.new { protocol = protocol, session_expiry = 60 }
      link = world.link
      world:connect()
      world:get(world:publish(2, 1, "a", "x"))
      link:acknowledge(2, 1)
      link:run()
      assert.same({ "message x q2 r1" }, (world:told()))
      assert.same({ "pubrec 1" }, world:sent())
      link:accept(0)
    end)
    after_each(function() world:finish() end)

    local PUBREC = "\80\2\0\1"

    -- So many times the PUBLISH that is owed a PUBREC each time.
    local function repeated(count) return world:publish(2, 1, "a", "x", { dup = true }):rep(count) end

    -- More than it is read of.
    local function overwhelm() world:get(repeated(MOST + READ)) end

    it("is read as long as every packet id may be owed one", function()
      world:get(repeated(65535), world:publish(0, nil, "a", "behind"))
      assert.is_true(link:is_read())
      assert.same({ "message behind q0" }, (world:told()))
    end)

    it("is not read before it has read half of them; nothing is lost, and each has its answer", function()
      overwhelm()
      assert.is_false(link:is_read())
      world:get(world:publish(0, nil, "a", "behind"))
      link:accept(#PUBREC * 1000)
      link:run()
      assert.is_false(link:is_read())
      assert.same({}, (world:told()))
      link:accept(#PUBREC * (MOST / 2 + 3 * READ))
      link:run()
      assert.is_true(link:is_read())
      assert.same({ "message behind q0" }, (world:told()))
      link:accept()
      link:run()
      assert.is_true(PUBREC:rep(MOST + READ) == link:written())
    end)

    it("is left when it has read none for a minute, and not while it reads", function()
      overwhelm()
      for _ = 1, 3 do
        link:run(59000)
        link:accept(1)
      end
      link:run(59999)
      assert.same({}, (world:told()))
      link:run(1)
      assert.same({ LOST }, (world:told()))
      assert.equal("aborted", (link:stream()))
    end)

    it("is not left for a minute in which we slept", function()
      overwhelm()
      link:sleep(90000)
      link:run()
      assert.same({}, (world:told()))
      link:run(59999)
      assert.same({}, (world:told()))
      link:run(1)
      assert.same({ LOST }, (world:told()))
    end)

    it("may end the connection, and what it has said before that is read", function()
      overwhelm()
      world:get(world:publish(0, nil, "a", "the last"))
      link:finish()
      link:run()
      assert.same({}, (world:told()))
      link:accept(1)
      link:run()
      assert.same({ "message the last q0", "down connection_lost" }, (world:told()))
    end)

    it("is left on our side as any other", function()
      overwhelm()
      link:close(0, -1, 1000)
      link:run(1000)
      assert.same({ "closed closed: the DISCONNECT could not be sent in time" }, (world:told()))
      world:connect { present = true }
      assert.is_true(link:is_read())
      world:get(repeated(1))
      assert.same({ "pubrec 1" }, world:sent())
    end)
  end)
end
