--- Whether this is nginx's master, which makes its workers by fork: none of them could use a client of its.
-- @module holdfast.master
local MASTER = "this is nginx's master, whose clients no worker could use; make them in init_worker_by_lua"

--- Why nothing can be made here.
-- @treturn ?string nil: it can
-- @treturn ?string "master"
return function()
  local ngx = rawget(_G, "ngx")
  if type(ngx) == "table" and ngx.get_phase and ngx.get_phase() == "init" then
    return MASTER, "master"
  end
end
