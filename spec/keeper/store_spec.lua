-- A client with a store: what is in it when, what becomes of it in the next client, and what keeps one from opening.
local files = require "spec.support.files"
local process = require "process_probe"
local store_probe = require "store_probe"
local virtual = require "spec.support.virtual"

local core, probe = virtual.core, virtual.probe

describe("a client with a store", function()
  local world, folder, path

  before_each(function()
    world = virtual.new()
    folder = assert(process.temporary_folder())
    path = folder .. "/queue"
  end)

  after_each(function()
    store_probe.file_size(0)
    world:finish()
    process.remove_folder(folder)
  end)

  local function settings(changes)
    local queue = { messages = 1000, bytes = 1000000, store = path, sync = 1000 }
    for name, value in pairs(changes or {}) do
      queue[name] = value
    end
    return { queue = queue }
  end

  local function open(changes)
    return world:client(settings(changes))
  end

  local function up(changes)
    local client = open(changes)
    client:start()
    world:pass(2)
    world:told(client)
    world:asked()
    return client
  end

  local function post(client, qos, ttl)
    return assert(client:post("t", "x", qos or 1, false, nil, true, ttl))
  end

  local function close(client)
    client:close(0)
    world:turn()
  end

  --- What a process killed now would leave, as { id, ... }.
  local function kept()
    files.copy_store(path, path .. "-copy")
    local store = assert(store_probe.open(path .. "-copy", "c"))
    local ids = {}
    for i, message in ipairs(assert(store:read())) do
      ids[i] = message.id
    end
    store:free()
    return ids
  end

  it("has written down what post has accepted, at QoS 1 and 2", function()
    local client = open()
    post(client, 1)
    post(client, 0)
    post(client, 2)
    assert.same({ 1, 3 }, kept()) -- before the keeper has had a turn
  end)

  it("forgets what is delivered", function()
    local client = up()
    post(client, 1)
    post(client, 2)
    world:turn()
    assert.same({}, kept())
  end)

  it("forgets what is refused, withdrawn, expired, or makes room", function()
    local client = up { messages = 1, overflow = "drop_oldest" }
    probe.script { publish_result = 0x87 }
    post(client)
    world:turn()
    assert.same({}, kept())
    probe.script { connect = "silent" }
    client:reconnect()
    world:turn()
    local withdrawn = post(client)
    client:withdraw(withdrawn)
    world:turn()
    assert.same({ withdrawn }, kept()) -- what is done gathers for some ms
    world:pass(0.01)
    assert.same({}, kept())
    post(client, 1, 1000)
    world:pass(1)
    assert.same({}, kept())
    post(client)
    local last = post(client)
    world:pass(0.01)
    assert.same({ last }, kept())
  end)

  it("keeps what it has when it is closed, and says so", function()
    local client = open()
    post(client, 1)
    post(client, 0)
    close(client)
    assert.same({ "0 dropped 1 kept", "0 dropped 2 closed" }, world:told(client, "dropped"))
    assert.equal(1, client:status().counters.dropped)
    assert.same({ 1 }, kept())
  end)

  it("gives it to the next, in order and under the same ids", function()
    local client = open()
    for _ = 1, 3 do
      post(client)
    end
    close(client)
    client = open()
    world:turn()
    assert.equal(3, client:status().queued.messages)
    assert.equal(4, post(client))
    client:start()
    world:pass(1)
    assert.same({ "publish t qos=1 id=1", "publish t qos=1 id=2", "publish t qos=1 id=3", "publish t qos=1 id=4" },
      world:asked "publish")
    assert.same({ "0 delivered 1", "0 delivered 2", "0 delivered 3", "0 delivered 4" },
      world:told(client, "delivered"))
    assert.same({}, kept())
    assert.equal(0, client:status().queued.messages)
  end)

  it("does not give the id of a message that is not kept to another", function()
    local client = open()
    post(client, 0)
    close(client)
    client = open()
    assert.equal(2, post(client, 0))
    files.copy_store(path, path .. "-2") -- as after SIGKILL
    client = open { store = path .. "-2" }
    assert.is_true(post(client, 0) > 2)
  end)

  it("goes on counting a time to live", function()
    local client = open()
    post(client, 1, 10000)
    close(client)
    world:pass(4)
    client = open()
    world:pass(20)
    assert.same({ "10 dropped 1 expired" }, world:told(client, "dropped"))
    assert.same({}, kept())
  end)

  it("drops at once what expired meanwhile", function()
    local client = open()
    post(client, 2, 1000)
    close(client)
    world:pass(4)
    client = open()
    world:turn()
    assert.same({ "4 dropped 1 expired" }, world:told(client, "dropped"))
  end)

  it("gives the link what has been sent in the order in which it was, which priorities had changed", function()
    for round = 1, 2 do
      local store = assert(store_probe.open(path, "c"))
      for id = 3 * round - 2, 3 * round do
        store:append { id = id, qos = 1, topic = "t", priority = id % 2 }
      end
      if round == 1 then store:begin_session(5) end
      store:sent(1 + round, 3 * round)
      store:sent(8 + round, 3 * round - 2)
      store:free()
    end
    open():start()
    world:pass(1)
    assert.same({ "carried id=3 packet=2", "carried id=1 packet=9", "carried id=6 packet=3", "carried id=4 packet=10" },
      world:asked "carried")
  end)

  describe("with an exchange of QoS 2 under way", function()
    before_each(function()
      local store = assert(store_probe.open(path, "c"))
      for id = 1, 3 do
        store:append { id = id, qos = 2, topic = "t" }
      end
      store:begin_session(5)
      store:sent(7, 1)
      store:released(7)
      store:sent(9, 2)
      store:free()
    end)

    it("gives the link its packet ids, before anything else, and waits for the session to answer", function()
      probe.script { session_present = 1 }
      local client = open()
      client:start()
      world:pass(1)
      assert.same({ "resume c", "carried id=1 packet=7 released", "carried id=2 packet=9",
        "open a:1883 id=c clean=0 protocol=5", "publish t qos=2 id=3" },
        world:asked("resume", "carried", "open", "publish"))
      local told = world:told(client, "delivered")
      table.sort(told)
      assert.same({ "0 delivered 1", "0 delivered 2", "0 delivered 3" }, told)
      assert.same({}, kept())
    end)

    it("sends anew what the session has forgotten, unless the broker had answered it", function()
      probe.script { session_present = 0 }
      local client = open()
      client:start()
      world:pass(1)
      assert.same({ "publish t qos=2 id=2", "publish t qos=2 id=3" }, world:asked "publish")
      assert.same({ "0 delivered 1", "0 delivered 2", "0 delivered 3" }, world:told(client, "delivered"))
    end)

    describe("in 3.1.1, with fallback", function()
      local function opened(exchanges)
        local store = assert(store_probe.open(path, "c"))
        store:begin_session(4)
        for id = 1, exchanges do
          store:sent(id, id)
        end
        store:free()
        probe.script { session_present = 1 }
        local changes = settings()
        changes.fallback = true
        local client = world:client(changes)
        client:start()
        world:pass(1)
        return world:asked "open", client:status().protocol
      end

      it("goes on in it, since asking for 5 would be another session", function()
        assert.same({ { "open a:1883 id=c clean=0 protocol=4" }, 4 }, { opened(3) })
        assert.same({}, kept())
      end)

      it("asks for 5 when there is no exchange to go on with", function()
        assert.same({ { "open a:1883 id=c clean=0 protocol=5" }, 5 }, { opened(0) })
      end)
    end)

    it("keeps it when it is closed before there was a connection, or in the middle of one", function()
      local client = open()
      close(client)
      assert.same({ 1, 2, 3 }, kept())
      probe.script { session_present = 1, hold_publishes = true }
      client = up()
      close(client)
      world:turn()
      local store = assert(store_probe.open(path, "c"))
      local messages = store:read()
      store:free()
      assert.same({ 7, true, 9 }, { messages[1].packet_id, messages[1].released, messages[2].packet_id })
      assert.equal(3, #messages)
    end)
  end)

  it("waits for the disk in post when sync is 0, and a little later else", function()
    local client = open { sync = 0 }
    post(client)
    assert.same({ 1 }, kept())
    assert.is_nil(world:turn()) -- nothing is left to wait for
    close(client)
    client = open { sync = 5000 }
    post(client)
    assert.equal(5, world:turn())
    world:pass(5)
    assert.is_nil(world:turn())
  end)

  describe("on a full disk", function()
    local function fill(client)
      store_probe.file_size(100000)
      local accepted = 0
      while true do
        local id, message, code = client:post("t", ("x"):rep(500), 1, false, nil, false)
        if not id then
          return accepted, message, code
        end
        accepted = accepted + 1
        assert(accepted < 1000)
      end
    end

    it("says so in post, and takes more once there is room", function()
      local client = open()
      local accepted, message, code = fill(client)
      assert.equal("store_full", code)
      assert.truthy(message:find(path, 1, true))
      world:turn()
      assert.equal(accepted, client:status().queued.messages)
      store_probe.file_size(0)
      world:pass(2)
      post(client)
    end)

    it("does not send at QoS 2 what it could not account for", function()
      probe.script { connect = "silent" }
      local client = open()
      client:start()
      post(client, 2)
      fill(client)
      store_probe.file_size(1) -- not even what could be folded helps
      probe.script { connect = "accept" }
      world:pass(12)
      assert.equal("connected", client:status().state)
      assert.same({}, world:asked "publish")
      store_probe.file_size(0)
      world:pass(3)
      assert.equal("publish t qos=2 id=1", world:asked "publish"[1])
    end)
  end)

  it("says that its file is gone, and that there is one again", function()
    local client = open()
    post(client)
    assert(os.rename(folder, folder .. "-moved"))
    world:pass(2)
    assert.same({ "1 store store_failed" }, world:told(client, "store"))
    assert.same({ nil, "store_failed" }, { (client:post("t", "x", 1, false, nil, false)),
      (select(3, client:post("t", "x", 1, false, nil, false))) })
    assert(os.rename(folder .. "-moved", folder))
    os.remove(path)
    world:pass(2)
    assert.same({ "3 store anew" }, world:told(client, "store"))
    assert.same({ 1 }, kept())
  end)

  describe("is not made", function()
    local function refused(code, changes)
      local client, message, word = core.client(virtual.settings(settings(changes)))
      assert.is_nil(client)
      assert.equal(code, word)
      assert.truthy(message:find(changes and changes.store or path, 1, true))
      assert.equal("0", ("%d"):format(#world:asked()))
    end

    it("while another has the store", function()
      local client = open()
      refused "store_locked"
      close(client)
      open()
    end)

    it("when the store is another client's", function()
      store_probe.open(path, "other"):free()
      refused "store_other_client"
    end)

    it("when the store is damaged", function()
      local client = open()
      for _ = 1, 50 do
        post(client)
      end
      close(client)
      close(open())
      files.write(path, files.read(path):sub(1, 3000))
      refused "store_corrupt"
    end)

    it("when a message in it is", function()
      local store = assert(store_probe.open(path, "c"))
      for id = 1, 3 do
        store:append { id = id, payload = ("payload"):rep(20) }
      end
      store:free()
      store_probe.open(path, "c"):free() -- folds the log
      files.write(path, (files.read(path):gsub("payloadpayload", "payloadPayload", 1)))
      refused "store_corrupt"
    end)

    it("when it is no store, or cannot be one", function()
      files.write(path, "hello\n")
      refused "store_foreign"
      refused("store_failed", { store = folder .. "/none/queue" })
    end)
  end)
end)
