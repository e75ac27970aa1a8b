-- A task that an operator puts back takes its unique key again. Needs unique.lua, and the name `unique_expiring`.

-- Why it may not come back: another task holds its key meanwhile. nil where it may.
local function key_refusal(id, envelope)
  local own = key_of(envelope)
  local holder = own and holder_of(own)
  if holder and holder ~= id then return 'its unique key is held by ' .. holder end
end

local function retake_key(id, envelope)
  local own = key_of(envelope)
  if not own then return end
  call('HSET', unique, own, id .. ' 0')
  call('ZREM', unique_expiring, own)
end
