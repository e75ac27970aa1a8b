-- What is not in order is told, three for each: which, what is wrong, what was done or is to be done; and it is put in
-- order where ARGV[4] is '1'. For `fsck`. Needs begin.lua.
local is_repairing, found = ARGV[4] == '1', {}
if is_repairing then begin_writing() end

local function write(...)
  if is_repairing then call(...) end
end

local function tell(which, what, done)
  local n = #found
  found[n + 1], found[n + 2], found[n + 3] = which, what, done
end
