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
end)
