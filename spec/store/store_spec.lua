-- What a store keeps and gives back, and what it refuses to open.
local files = require "spec.support.files"
local process = require "process_probe"
local store_probe = require "store_probe"

local function ids(store)
  local list = {}
  for i, message in ipairs(assert(store:read())) do
    list[i] = message.id
  end
  return list
end

describe("a store", function()
  local folder, path, store

  before_each(function()
    folder = assert(process.temporary_folder())
    path = folder .. "/queue"
    store = assert(store_probe.open(path))
  end)

  after_each(function()
    store:free()
    process.remove_folder(folder)
  end)

  local function reopen(client_id)
    store:free()
    store = assert(store_probe.open(path, client_id))
  end

  --- The files as a process leaves them that is killed now, under another name.
  local function killed()
    files.copy_store(path, folder .. "/killed")
    return assert(store_probe.open(folder .. "/killed"))
  end

  it("is made aside under a name that no other process takes", function()
    local half = folder .. "/other-new-" .. process.self() -- of one with our number, in another container
    files.write(half, "half")
    assert(store_probe.open(folder .. "/other")):free()
    assert.equal("half", files.read(half))
  end)

  it("gives back every part of a message", function()
    local whole = {
      id = 7, topic = "a/b", payload = ("\0x\255"):rep(1000), qos = 2, retain = true, deadline = 1e12, expires = 2e12,
      content_type = "text/plain", response_topic = "answers", correlation_data = "\0\1", message_expiry = 4294967295,
      payload_format = 1, user_name = "name", user_value = ("v"):rep(65535), priority = 9,
    }
    assert(store:append(whole))
    assert(store:append { id = 8, topic = "a", payload = "", qos = 1 })
    reopen()
    assert.same({ whole, { id = 8, topic = "a", payload = "", qos = 1 } }, store:read())
  end)

  it("has written down what append returned for, whatever becomes of the process", function()
    for id = 1, 100 do
      assert(store:append { id = id, payload = ("x"):rep(id * 37) })
    end
    local copy = killed()
    assert.equal(100, #ids(copy))
    copy:free()
  end)

  it("gives them back in the order of their ids", function()
    for _, id in ipairs { 5, 3, 4, 1, 2 } do
      assert(store:append { id = id })
    end
    reopen()
    assert.same({ 1, 2, 3, 4, 5 }, ids(store))
  end)

  it("forgets what is done, once that is written", function()
    for id = 1, 5 do
      assert(store:append { id = id })
    end
    store:done(2)
    store:done(4)
    local copy = killed()
    assert.same({ 1, 2, 3, 4, 5 }, ids(copy))
    copy:free()
    store:commit()
    copy = killed()
    assert.same({ 1, 3, 5 }, ids(copy))
    copy:free()
  end)

  it("writes what is done when it is closed", function()
    assert(store:append { id = 1 })
    store:done(1)
    reopen()
    assert.same({}, ids(store))
  end)

  describe("never gives an id twice:", function()
    it("after a close it goes on where it was", function()
      assert.equal(1, store:next_id())
      assert(store:append { id = 1 })
      store:done(1)
      assert(store:claim(2))
      reopen()
      assert.equal(3, store:next_id())
    end)

    it("after a crash above whatever was claimed", function()
      assert(store:claim(12345))
      local copy = killed()
      assert.is_true(copy:next_id() > 12345)
      copy:free()
    end)
  end)

  it("knows how far an exchange of QoS 2 is", function()
    for id = 1, 3 do
      assert(store:append { id = id, qos = 2 })
    end
    assert(store:begin_session(5))
    assert(store:sent(65535, 1))
    assert(store:sent(9, 2))
    assert(store:released(9))
    local copy = killed()
    assert.equal(5, copy:protocol())
    local messages = copy:read()
    copy:free()
    assert.same({ 65535, nil }, { messages[1].packet_id, messages[1].released })
    assert.same({ 9, true }, { messages[2].packet_id, messages[2].released })
    assert.is_nil(messages[3].packet_id)
  end)

  it("has one packet id for a message, and one message for a packet id", function()
    for id = 1, 2 do
      assert(store:append { id = id, qos = 2 })
    end
    assert(store:sent(1, 1))
    assert(store:released(1))
    assert(store:sent(2, 1))
    assert(store:sent(2, 2))
    local messages = store:read()
    assert.same({}, { messages[1].packet_id, messages[1].released })
    assert.same({ 2 }, { messages[2].packet_id, messages[2].released })
  end)

  it("gives back the packet id of QoS 1 too, which is no exchange to go on with", function()
    assert(store:append { id = 1, qos = 1 })
    assert(store:append { id = 2, qos = 1 })
    store:begin_session(4)
    assert(store:sent(9, 1))
    assert(store:sent(10, 2))
    store:done(2)
    reopen()
    assert.equal(9, store:read()[1].packet_id)
    assert.is_false(store:mid_exchange())
    assert(store:append { id = 3, qos = 2 })
    assert(store:sent(11, 3))
    reopen()
    assert.is_true(store:mid_exchange())
  end)

  describe("takes notes of those who must not wait,", function()
    before_each(function()
      for id = 1, 3 do
        assert(store:append { id = id, qos = 2 })
      end
    end)

    after_each(function() store_probe.file_size(0) end)

    local function kept(copy)
      local list = {}
      for i, message in ipairs(copy:read()) do
        list[i] = ("%d%s"):format(message.packet_id or 0, message.released and "r" or "")
      end
      local received = copy:read_received()
      local said = table.concat(list, " ") .. " " .. tostring(received[1]) .. " protocol " .. copy:protocol()
      copy:free()
      return said
    end

    local function note_all()
      assert.same({ 1, 2, 3, 4, 5, 6, 7 }, {
        store:note("session", 0, 5), store:note("sent", 1, 1), store:note("sent", 2, 2), store:note("released", 1),
        store:note("received", 1, "one"), store:note("received", 6, "six"), store:note("completed", 6),
      })
    end

    it("and writes them in their order when it is told to", function()
      note_all()
      assert.equal(0, store:noted())
      assert.equal("0 0 0 nil protocol 0", kept(killed()))
      store:commit()
      assert.equal(7, store:noted())
      assert.equal("1r 2 0 one protocol 5", kept(killed()))
    end)

    it("before what others write, and no later than it is closed", function()
      note_all()
      store:sent(3, 3)
      assert.equal(7, store:noted())
      assert.equal("1r 2 3 one protocol 5", kept(killed()))
      assert.equal(8, store:note("released", 3))
      reopen()
      assert.equal("1r 2 3r one protocol 5", kept(killed()))
    end)

    it("and begins no exchange while they cannot be written", function()
      note_all()
      assert.is_true(store:well())
      store_probe.file_size(#files.read(path .. "-wal"))
      store:commit()
      assert.is_false(store:well())
      assert.equal(0, store:noted())
      for id = 1, 1000 do
        store:note("sent", 1, id % 3 + 1)
      end
      store:commit()
      store_probe.file_size(0)
      assert(store:append { id = 4, qos = 2 })
      assert.is_false(store:well())
      store:tend()
      assert.is_true(store:well())
      assert.equal(1007, store:noted())
      assert.equal("0 1 0 0 one protocol 5", kept(killed()))
    end)

    it("and forgets what later ones have made pointless, or a full disk would fill the memory", function()
      store_probe.file_size(#files.read(path .. "-wal"))
      local before = process.heap()
      for _ = 1, 200 do
        store:note("received", 5, ("x"):rep(100000))
        store:commit()
      end
      assert.is_true(process.heap() - before < 5000000)
      store_probe.file_size(0)
    end)
  end)

  it("keeps what was received until it is complete", function()
    assert(store:received(1, "packet"))
    assert(store:received(2, ""))
    assert(store:completed(1))
    reopen()
    assert.same({ [2] = "" }, store:read_received())
  end)

  it("forgets the state of a session that is over, not the messages", function()
    assert(store:append { id = 1, qos = 2 })
    assert(store:begin_session(5))
    assert(store:sent(3, 1))
    assert(store:received(4, "x"))
    assert(store:begin_session(4))
    reopen()
    assert.equal(4, store:protocol())
    assert.same({}, store:read_received())
    assert.same({ { id = 1, topic = "t", payload = "", qos = 2 } }, store:read())
  end)

  describe("that finds the disk full", function()
    after_each(function() store_probe.file_size(0) end)

    local function fill()
      store_probe.file_size(#files.read(path .. "-wal"))
    end

    it("writes down what became of the session meanwhile, when there is room again", function()
      for id = 1, 3 do
        assert(store:append { id = id, qos = 2 })
      end
      store:begin_session(5)
      store:sent(1, 1)
      store:sent(4, 3)
      store:received(9, "nine")
      fill()
      assert.is_nil((store:released(1)))
      store:sent(2, 2)
      store:completed(9)
      store:received(10, "ten")
      store:received(11, "old")
      store:completed(11)
      store:received(11, "new")
      store:done(3)
      store:commit()
      assert.is_true(store:wants_tending())
      store_probe.file_size(0)
      assert(store:tend())
      local copy = killed()
      local messages = assert(copy:read())
      assert.same({ 2, 1, true, 2, nil },
        { #messages, messages[1].packet_id, messages[1].released, messages[2].packet_id, messages[2].released })
      assert.same({ [10] = "ten", [11] = "new" }, copy:read_received())
      copy:free()
    end)

    it("knows why it refused a message when there is room again", function()
      fill()
      assert.is_nil((store:append { id = 1, payload = ("x"):rep(2000) }))
      store_probe.file_size(0)
      assert(store:completed(1))
      assert.equal("store_full", store:refusal())
    end)

    it("says of what is on the medium that it is, whatever could not be written since", function()
      assert(store:append { id = 1 })
      fill()
      assert.is_nil((store:received(1, "packet")))
      assert.equal("", store:sync())
    end)

    it("keeps their order, and no more than a new session has to do with", function()
      for id = 1, 2 do
        assert(store:append { id = id, qos = 2 })
      end
      store:begin_session(5)
      store:sent(1, 1)
      store:received(9, "nine")
      fill()
      assert.is_nil((store:sent(2, 2)))
      store:begin_session(4)
      store:sent(1, 2)
      store_probe.file_size(0)
      assert(store:released(1)) -- the next that can be written takes the others along
      local copy = killed()
      local messages = assert(copy:read())
      assert.equal(4, copy:protocol())
      assert.same({ nil, 1, true }, { messages[1].packet_id, messages[2].packet_id, messages[2].released })
      assert.same({}, copy:read_received())
      copy:free()
    end)
  end)

  it("wants tending until what it wrote is on the medium", function()
    assert.is_true(store:wants_tending())
    assert(store:tend())
    assert.is_false(store:wants_tending())
    assert(store:append { id = 1 })
    assert.is_true(store:wants_tending())
    assert.equal("", store:sync())
    assert.is_false(store:wants_tending())
  end)

  it("stays small while messages come and go", function()
    for id = 1, 3000 do
      assert(store:append { id = id, payload = ("x"):rep(200) })
      store:done(id)
      if id % 50 == 0 then
        assert(store:tend())
      end
    end
    assert.is_true(#files.read(path) + #files.read(path .. "-wal") < 3000000)
  end)

  it("gives back the room of a great many that are gone", function()
    for id = 1, 2000 do
      assert(store:append { id = id, payload = ("x"):rep(2000) })
    end
    for id = 1, 1999 do
      store:done(id)
    end
    reopen()
    assert.same({ 2000 }, ids(store))
    assert.is_true(#files.read(path) < 100000)
  end)

  describe("is refused", function()
    local function refused(word, ...)
      local made, text, code = store_probe.open(...)
      assert.is_nil(made)
      assert.equal(word, code)
      assert.truthy(text:find(..., 1, true), text)
      return text
    end

    it("while it is open", function()
      refused("store_locked", path)
      assert(store:append { id = 1 })
    end)

    it("while another process has it open", function()
      store:free()
      local log = folder .. "/log"
      local pid = process.spawn({ os.getenv "LUA" or "lua5.4", "-e", ([[
        store = assert(require "store_probe".open %q)
        print "open"
        io.stdout:flush()
        require "process_probe".sleep(20000)]]):format(path) }, log)
      local deadline = process.now() + 5000
      while not (files.read(log) or ""):find "open" and process.now() < deadline do
        process.sleep(5)
      end
      refused("store_locked", path)
      process.kill(pid, "KILL")
      assert(process.wait(pid, 5000))
      store = assert(store_probe.open(path))
    end)

    it("when it is another client's, who may still open it", function()
      store:free()
      for _, other in ipairs { "kitchen", "cliens" } do
        assert.truthy(refused("store_other_client", path, other):find('"client"', 1, true))
      end
      store = assert(store_probe.open(path, "client"))
    end)

    it("when it is no store", function()
      files.write(folder .. "/text", ("no store\n"):rep(1000))
      refused("store_foreign", folder .. "/text")
      assert.equal(("no store\n"):rep(1000), files.read(folder .. "/text"))
      files.write(folder .. "/short", "no")
      refused("store_foreign", folder .. "/short")
    end)

    it("when a later version has made it", function()
      store:free()
      local bytes = files.read(path)
      files.write(path, bytes:sub(1, 60) .. "\0\0\0\5" .. bytes:sub(65))
      refused("store_newer", path)
    end)

    it("when it is another program's database", function()
      store:free()
      local bytes = files.read(path)
      files.write(path, bytes:sub(1, 68) .. "\0\0\0\2" .. bytes:sub(73))
      refused("store_foreign", path)
    end)

    it("when there is no such folder", function()
      refused("store_failed", folder .. "/none/queue")
    end)

    it("when it is a folder", function()
      refused("store_failed", folder)
    end)

    it("when it is empty, or only its log is left", function()
      files.write(folder .. "/empty", "")
      assert.truthy(refused("store_corrupt", folder .. "/empty"):find("it is empty", 1, true))
      assert(store:append { id = 1 })
      local log = files.read(path .. "-wal")
      store:free()
      files.write(folder .. "/gone-wal", log)
      refused("store_corrupt", folder .. "/gone")
    end)
  end)

  it("takes a path as it is", function()
    local name = ":memory:"
    store:free()
    store = assert(store_probe.open(name))
    assert(store:append { id = 1 })
    store:free()
    store = assert(store_probe.open(name))
    assert.same({ 1 }, ids(store))
    store:free()
    for _, ending in ipairs { "", "-wal" } do
      os.remove(name .. ending)
    end
  end)

  it("answers after it has been closed", function()
    store:close()
    local fine, _, word = store:append { id = 1 }
    assert.same({ nil, "store_failed" }, { fine, word })
    store:done(1)
    store:tend()
  end)
end)

describe("a PUBLISH on the wire", function()
  local packet = store_probe.packet

  it("is as MQTT 3.1.1 has it", function()
    assert.equal("\50\7\0\1a\1\2hi", packet({ topic = "a", payload = "hi", qos = 1 }, 4, 258))
    assert.equal("\53\5\0\1a\0\7", packet({ topic = "a", qos = 2, retain = true }, 4, 7))
    local payload = ("x"):rep(195)
    assert.equal("\52\200\1\0\1a\0\7" .. payload, packet({ topic = "a", qos = 2, payload = payload }, 4, 7))
  end)

  it("is as MQTT 5 has it", function()
    assert.equal("\52\8\0\1a\0\7\0hi", packet({ topic = "a", payload = "hi", qos = 2 }, 5, 7))
    assert.equal("\52\42\0\1a\0\7\36" .. "\1\1" .. "\2\0\0\1\0" .. "\3\0\1c" .. "\8\0\1r" .. "\9\0\1d"
      .. "\38\0\1n\0\1v" .. "\38\0\5again\0\0",
      packet({ topic = "a", qos = 2, payload_format = 1, message_expiry = 256, content_type = "c",
        response_topic = "r", correlation_data = "d", user_name = "n", user_value = "v" }, 5, 7))
  end)
end)
