-- What can be said of the loop of nginx without an nginx.
describe("the loop of nginx", function()
  local before = rawget(_G, "ngx")

  after_each(function()
    rawset(_G, "ngx", before)
    package.loaded["holdfast.loop.openresty"] = nil
  end)

  it("refuses a Lua module that is too old", function()
    rawset(_G, "ngx", { config = { ngx_lua_version = 10015 } })
    local fine, problem = pcall(require, "holdfast.loop.openresty")
    assert.is_false(fine)
    assert.is_truthy(tostring(problem):find(
      "nginx's Lua module must be 0.10.16 or later for holdfast, this is 10015", 1, true), problem)
  end)

  it("says so when nginx cannot suspend the caller after all", function()
    rawset(_G, "ngx", {
      config = { ngx_lua_version = 10023 },
      get_phase = function() return "new" end,
    })
    package.loaded["ngx.semaphore"] = { new = function()
      return { wait = function() return nil, "API disabled in the context of new_by_lua*" end }
    end }
    finally(function()
      package.loaded["ngx.semaphore"], package.loaded["holdfast.loop.crew"] = nil, nil
    end)
    local waiter = {}
    local fine, problem = pcall(require("holdfast.loop.openresty").park, waiter, 5)
    assert.are.same({ false, "API disabled in the context of new_by_lua*" }, { fine, problem })
    assert.is_true(waiter.done)
  end)
end)
