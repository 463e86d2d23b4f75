-- One request for memory that fails, the n-th, for every n through a life of our own link, with enough afterwards:
-- nothing that is lent is lost, no message is told twice or skipped, and at worst the connection ends for that.
local probe = require "native_probe"
local worlds = require "spec.support.scripted_world"

local ENOUGH = 5000
local PAYLOAD = ("p"):rep(20000)

-- What the broker of a life has done, and what it still knows of.
local function life(point, protocol)
  local world = worlds.new { protocol = protocol, session_expiry = 60, password = "secret" }
  local link = world.link
  local told, outcomes, answered, up, ended, lost, starved = {}, {}, {}, false, false, {}, 0
  probe.starve(point)

  local function look()
    local words, mails = world:told()
    for i, mail in ipairs(mails) do
      if mail.kind == "connected" then up = true end
      if mail.kind == "failed" or mail.kind == "down" or mail.kind == "closed" then
        up, ended = false, true
        if mail.kind ~= "closed" then
          assert(mail.reason == "out_of_memory" or mail.reason == "connection_lost", words[i])
          if mail.reason == "out_of_memory" then starved = starved + 1 end
        end
      end
      if mail.kind == "message" and mail.qos > 0 then
        assert(not told[mail.payload], "told twice: " .. mail.payload)
        told[mail.payload] = mail
        link:acknowledge(mail.qos, mail.receipt)
      end
      if mail.kind == "delivered" then
        if mail.result == -1 then
          lost[#lost + 1] = mail.id
        else
          assert(not outcomes[mail.id], "twice")
          outcomes[mail.id] = mail.result
        end
      end
    end
    link:run()
  end

  local function connect(present)
    for _ = 1, 3 do
      up, ended = false, false
      local begun = link:open(world.options)
      if begun and pcall(link.opened, link) then -- else no memory for the stream
        link:feed(world:connack { present = present, properties = "\34\0\4\18\0\1x" })
        link:run()
      end
      look()
      if up then return end
      assert(ended or not begun, "an attempt without an end")
      link:abandon()
    end
    error("does not connect at point " .. point)
  end

  local function answer()
    for _ = 1, 6 do
      for _, packet in ipairs(world:sent()) do
        local kind, id = packet:match "^(%l+) (%d+)"
        if kind == "publish" and packet:match "q1" then link:feed(world:ack("puback", id)) end
        if kind == "publish" and packet:match "q2" then link:feed(world:ack("pubrec", id)) end
        if kind == "pubrel" then link:feed(world:ack("pubcomp", id)) end
        if kind == "subscribe" then link:feed(world:suback(id, 1)) end
        if kind == "pubrec" then link:feed(world:ack("pubrel", id)) end
        if kind == "puback" or kind == "pubrec" then answered[tonumber(id)] = true end
      end
      link:run()
      look()
    end
  end

  local function again()
    local ids = lost
    lost = {}
    for i, id in ipairs(ids) do
      if not (up and link:again(id)) then
        for j = i, #ids do lost[#lost + 1] = ids[j] end
        break
      end
    end
    link:run()
  end

  local function send(count)
    for i = 1, count do
      for qos = 1, 2 do
        local name = qos .. "." .. i
        if up and not told[name] then
          local packet = world:publish(qos, i, "topic/" .. qos, name, protocol == 5 and { properties = "\35\0\1" })
          link:feed(packet:sub(1, 7))
          link:run()
          link:feed(packet:sub(8))
          link:run()
          look()
        end
      end
    end
  end

  -- In one read; of QoS 2 again as long as they are not answered. Ids from 101 on.
  local function send_at_once(count)
    local packets = {}
    for i = 1, count do
      local id, name, qos = 100 + i, "run " .. i, 1 + i % 2
      local properties = protocol == 5 and ("\35\0\1\11\5\38\0\1u\0\1v"):sub(1, i % 3 == 0 and -1 or 5)
      if not (qos == 2 and answered[id] or qos == 1 and told[name]) then
        packets[#packets + 1] = world:publish(qos, id, "topic/1", name, properties and { properties = properties })
        packets[#packets + 1] = world:publish(0, nil, "topic/0", ("x"):rep(i * 100))
      end
    end
    if up then
      link:feed(table.concat(packets))
      link:run()
      look()
    end
  end

  connect(false)
  local next_id, refused = 1, 0
  for round = 1, 3 do
    for i = 1, 20 do
      if not up then connect(true) end
      local taken = link:publish(next_id, "some/topic", i % 7 == 0 and PAYLOAD or "small", i % 3)
      if taken then next_id = next_id + 1 else refused = refused + 1 end
      if i == 5 then link:subscribe(round, "filter") end
    end
    link:run()
    look()
    send(round * 4)
    send_at_once(round * 10)
    if not up then connect(true) end
    if round == 2 then
      link:finish()
      link:run()
      look()
      connect(true)
      again()
    end
    answer()
  end
  local failed = probe.starve(0)
  for _ = 1, 5 do -- there is enough again: all is done in the end
    if not up then connect(true) end
    again()
    send(12)
    send_at_once(30)
    answer()
    look()
  end
  assert.equal(0, #lost, "point " .. point)
  for id = 1, next_id - 1 do
    assert.equal(0, outcomes[id], ("point %d: publish %d"):format(point, id))
  end
  for qos = 1, 2 do
    for i = 1, 12 do
      assert.is_truthy(told[qos .. "." .. i], ("point %d: message %d.%d"):format(point, qos, i))
    end
  end
  for i = 1, 30 do
    assert.is_truthy(told["run " .. i], ("point %d: message %d of a run"):format(point, i))
    assert.is_true(i % 2 == 0 or answered[100 + i], ("point %d: answer %d of a run"):format(point, i))
  end
  link:close(0, -1, 1000)
  link:run(2000)
  look()
  assert.is_false(up)
  world:finish()
  return failed, starved, refused
end

for _, protocol in ipairs { 5, 4 } do
  describe("a request for memory that fails in our own link, version " .. protocol, function()
    it("costs a connection at worst", function()
      assert.same({ false, 0, 0 }, { life(0, protocol) })
      local point, ended = 0, 0
      local failed, starved
      repeat
        point = point + 1
        failed, starved = life(point, protocol)
        assert.is_true(starved <= 1)
        ended = ended + starved
      until not failed or point >= ENOUGH
      assert.is_true(point > 100 and point < ENOUGH, point)
      assert.is_true(ended > 10, ended)
    end)

    it("ends the attempt where there is none for the rest of a CONNECT that the stream did not take whole", function()
      local world = worlds.new { protocol = protocol, session_expiry = 60 }
      local link = world.link
      link:open(world.options)
      link:run()
      link:accept(0)
      probe.starve(1)
      link:opened()
      link:run()
      assert.is_true(probe.starve(0))
      assert.same({ "failed out_of_memory" }, (world:told()))
      link:open(world.options)
      link:opened()
      link:run()
      assert.matches("^connect", world:sent()[1])
      world:finish()
    end)

    it("leaves nothing behind where the link cannot be made, or ends at once", function()
      for point = 1, 30 do
        probe.starve(point)
        local link = probe.create()
        if link then
          link:open { protocol = protocol, session_expiry = 60 }
          link:run()
          link:destroy()
          link:collect()
        end
        probe.starve(0)
      end
    end)
  end)
end
