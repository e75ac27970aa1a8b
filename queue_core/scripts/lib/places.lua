-- Where a task is. Needs envelope.lua and the names of the places' keys.
-- Returns the place, its score there, and its member in it; 'ready' is what is left when it is nowhere else.
local function place_of(id, envelope)
  local score = call('ZSCORE', leases, id)
  if score then return 'running', score, id end
  score = call('ZSCORE', prioritized, id)
  if score then return 'prioritized', score, id end
  score = call('ZSCORE', scheduled, id)
  if score then return 'scheduled', score, id end
  score = call('ZSCORE', retrying, id)
  if score then return 'retrying', score, id end
  score = call('ZSCORE', dead, id)
  if score then return 'dead', score, id end
  score = call('ZSCORE', trash, id)
  if score then return 'trashed', score, id end
  if call('ZCARD', held) > 0 then
    local name = name_of(envelope)
    for _, lane in ipairs({'name:' .. name, 'unknown:' .. name}) do
      score = call('ZSCORE', held, lane .. '/' .. id)
      if score then return 'held', score, lane .. '/' .. id end
    end
  end
  return 'ready', '0', id
end
