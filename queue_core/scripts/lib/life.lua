-- Signs of life of the queue's workers.

-- The fields of `control` that a sign of life writes. After a silence of a third of a lease the server was away, and so
-- were the heartbeats: nothing is recovered for one lease, so that workers that live can say so. Not twice in a row:
-- where calls are always that rare, silence means nothing, and leases that have run out must be recovered all the same.
local function signs_of_life(lease_ms)
  local fields = {'seen', fmt('%.0f', now)}
  local seen = tonumber(known.seen)
  if seen and now - seen > lease_ms / 3 then
    local grace = tonumber(call('HGET', control, 'grace') or 0) or 0
    if now >= grace + lease_ms then fields[3], fields[4] = 'grace', fmt('%.0f', now + lease_ms) end
  end
  return fields
end
