-- What a power cut or a dying disk leaves of a store: it opens with the messages up to some point, or is refused with
-- a word; it never crashes, and never gives back what was not put in.
local process = require "process_probe"
local store_probe = require "store_probe"

local COUNT = 40

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

local function payload(id)
  return (("%d "):format(id)):rep(id * 13 % 700)
end

local REFUSALS = { store_corrupt = true, store_foreign = true, store_newer = true, store_other_client = true }

describe("a damaged store", function()
  local folder, path

  --- A store of COUNT messages, of which the first half is in the file and the rest in the log.
  before_each(function()
    folder = assert(process.temporary_folder())
    path = folder .. "/whole"
  end)

  after_each(function()
    process.remove_folder(folder)
  end)

  local function whole()
    local store = assert(store_probe.open(path))
    store:begin_session(5)
    for id = 1, COUNT do
      assert(store:append { id = id, payload = payload(id), qos = 2, content_type = "text" })
      if id % 3 == 0 then
        store:sent(id, id)
      end
      if id == COUNT / 2 then
        store:free() -- leaves the log
        store = assert(store_probe.open(path)) -- folds it
      end
    end
    return store, read(path), read(path .. "-wal")
  end

  --- Opens what is left under another name: "opened" and how many messages, or the word of the refusal.
  local function try(file, log)
    local copy = folder .. "/copy"
    write(copy, file)
    if log then
      write(copy .. "-wal", log)
    else
      os.remove(copy .. "-wal")
    end
    local store, text, word = store_probe.open(copy, "client")
    if not store then
      assert.is_true(REFUSALS[word], tostring(word) .. ": " .. tostring(text))
      return word
    end
    local messages, complaint, code = store:read()
    local fine = messages ~= nil
    if fine then
      for i, message in ipairs(messages) do
        assert.equal(i, message.id)
        assert.equal(payload(i), message.payload)
        assert.equal("text", message.content_type)
      end
      assert(store:append { id = store:next_id(), payload = "new" })
      assert(store:tend())
    else
      assert.equal("store_corrupt", code, complaint)
    end
    store:free()
    return fine and "opened" or code, fine and #messages
  end

  local function each_damage(length, change)
    local outcomes = {}
    for at = 0, length - 1, math.max(1, math.floor(length / 200)) do
      local word, count = change(at)
      outcomes[word] = (outcomes[word] or 0) + 1
      outcomes.least = math.min(outcomes.least or COUNT, count or COUNT)
    end
    return outcomes
  end

  it("whose log is cut gives what was before the cut", function()
    local store, file, log = whole()
    local outcomes = each_damage(#log, function(at)
      return try(file, log:sub(1, at))
    end)
    store:free()
    assert.same({ opened = outcomes.opened, least = COUNT / 2 }, outcomes)
  end)

  it("whose log has a hole gives what was before the hole", function()
    local store, file, log = whole()
    local outcomes = each_damage(#log - 512, function(at)
      return try(file, log:sub(1, at) .. ("\0"):rep(512) .. log:sub(at + 513))
    end)
    store:free()
    assert.same({ opened = outcomes.opened, least = COUNT / 2 }, outcomes)
  end)

  it("whose log was torn gives what was before the tear", function()
    local store, file, log = whole()
    local outcomes = each_damage(#log - 1024, function(at)
      return try(file, log:sub(1, at) .. log:sub(at + 513, at + 1024) .. log:sub(at + 513))
    end)
    store:free()
    assert.same({ opened = outcomes.opened, least = COUNT / 2 }, outcomes)
  end)

  it("whose log is gone gives what is in the file", function()
    local store, file = whole()
    assert.same({ "opened", COUNT / 2 }, { try(file) })
    store:free()
  end)

  local function folded()
    local store = whole()
    store:free()
    store = assert(store_probe.open(path))
    local file = read(path)
    store:free()
    local high, low = file:byte(31, 32) -- pages, behind which there is room for more
    return file:sub(1, 1024 * (256 * high + low))
  end

  it("whose file is cut is refused", function()
    local file = folded()
    local outcomes = each_damage(#file, function(at)
      return try(file:sub(1, at))
    end)
    assert.is_nil(outcomes.opened)
    assert.is_true(outcomes.store_corrupt > 150)
  end)

  it("that begins with zeros is called damaged, not another program's", function()
    local file = folded()
    assert.equal("store_corrupt", (try(("\0"):rep(512) .. file:sub(513))))
  end)

  it("of which nothing is left is called empty", function()
    assert.equal("store_corrupt", (try "")) -- and leaves its name
    local _, text = store_probe.open(folder .. "/copy")
    assert.matches("it is empty", text)
  end)

  it("that reads well and does not add up is refused", function()
    local file = folded()
    assert.equal("opened", (try(file)))
    assert.equal("store_corrupt", (try(file:sub(1, 36) .. "\0\0\0\5" .. file:sub(41)))) -- free pages that are none
  end)

  it("that has forgotten its highest id gives none that a message has", function()
    local highest = 0x51515151
    local store = assert(store_probe.open(path))
    assert(store:append { id = highest })
    store:free()
    store_probe.open(path):free()
    local file, count = read(path):gsub("QQQR", "\0\0\0\1")
    assert.equal(1, count)
    write(path, file)
    os.remove(path .. "-wal")
    store = assert(store_probe.open(path))
    assert.equal(highest + 1, store:next_id())
    store:free()
  end)

  it("whose file has a hole is refused, or whole", function()
    local file = folded()
    local outcomes = each_damage(#file - 512, function(at)
      return try(file:sub(1, at) .. ("\0"):rep(512) .. file:sub(at + 513))
    end)
    assert.equal(COUNT, outcomes.least)
    assert.is_true(outcomes.store_corrupt > 100)
  end)

  it("whose file was torn is refused, or whole", function()
    local file = folded()
    local outcomes = each_damage(#file - 1024, function(at)
      return try(file:sub(1, at) .. file:sub(at + 513, at + 1024) .. file:sub(at + 513))
    end)
    assert.equal(COUNT, outcomes.least)
  end)

  it("in which a bit was turned is refused, or whole", function()
    local file = folded()
    local outcomes = each_damage(#file, function(at)
      return try(file:sub(1, at) .. string.char((file:byte(at + 1) + 64) % 256) .. file:sub(at + 2))
    end)
    assert.equal(COUNT, outcomes.least)
  end)

  it("that is cut while it is open is no end of the process", function()
    local store = whole()
    local file = assert(io.open(path, "r+b"))
    file:close()
    os.execute("truncate -s 0 " .. path .. " && truncate -s 0 " .. path .. "-wal")
    store:append { id = COUNT + 1, payload = ("x"):rep(5000) }
    store:read()
    store:tend()
    store:free()
  end)
end)

describe("a full disk", function()
  local folder

  before_each(function()
    folder = assert(process.temporary_folder())
  end)

  after_each(function()
    store_probe.file_size(0)
    process.remove_folder(folder)
  end)

  it("is told by append, costs nothing that was accepted, and heals", function()
    local path = folder .. "/queue"
    local store = assert(store_probe.open(path))
    store_probe.file_size(100000)
    local accepted = 0
    local fine, text, word
    repeat
      fine, text, word = store:append { id = accepted + 1, payload = ("x"):rep(500) }
      accepted = accepted + (fine and 1 or 0)
    until not fine or accepted > 1000
    assert.equal("store_full", word)
    assert.truthy(text:find("the disk is full", 1, true))
    assert.is_true(accepted > 20)
    assert.equal(accepted, #store:read())
    for id = 1, accepted - 1 do
      store:done(id)
    end
    store:commit()
    assert.is_true(store:wants_tending())
    store:tend() -- folds the log, whose room is free then
    store:commit()
    assert(store:append { id = 2000, payload = ("x"):rep(500) })
    assert.is_nil((select(2, store:trouble())))
    store:free()
    store_probe.file_size(0)
    store = assert(store_probe.open(path))
    local left = store:read()
    assert.same({ accepted, 2000 }, { left[1].id, left[2].id })
    store:free()
  end)

  it("on which no store can be made is the reason given", function()
    store_probe.file_size(1)
    local store, _, word = store_probe.open(folder .. "/queue")
    assert.same({ nil, "store_full" }, { store, word })
    store_probe.file_size(0)
    assert(store_probe.open(folder .. "/queue")):free()
  end)
end)

describe("a disk of its own", function()
  it("full and read-only, in a mount namespace", function()
    local folder = process.temporary_folder()
    local pid = assert(process.spawn({ "unshare", "--mount", os.getenv "LUA" or "lua5.4",
      "spec/support/disk_child.lua", folder }, folder .. "/log"))
    local ended = process.wait(pid, 20000)
    local said = read(folder .. "/log")
    process.remove_folder(folder)
    if said:find("unshare failed", 1, true) then
      pending("no mount namespace to be had: " .. said)
      return
    end
    assert(ended, "it hangs")
    assert.equal("none made: store_full\nfull: store_full\nopened: true\ntaken: true\nkept: true\n"
      .. "read-only: store_read_only\n", said)
  end)
end)
