-- Where tasks are. Needs envelope.lua and the names of the places' keys.

-- For each of some ids, with its envelope (nil: it is read where it is needed): the place, its score there, its member in
-- it. 'ready' is what is left when it is nowhere else.
local function places_of(ids, envelopes)
  local found = {}
  for _, place in ipairs({{'running', leases}, {'prioritized', prioritized}, {'scheduled', scheduled},
    {'retrying', retrying}, {'dead', dead}, {'trashed', trash}}) do
    -- Each id costs as much as a small command: an empty place is not asked about many.
    if #ids == 1 or call('ZCARD', place[2]) > 0 then
      local scores = call('ZMSCORE', place[2], unpack(ids))
      for i, id in ipairs(ids) do
        if scores[i] and not found[i] then found[i] = {place[1], scores[i], id} end
      end
    end
  end
  local has_held = call('ZCARD', held) > 0
  for i, id in ipairs(ids) do
    if has_held and not found[i] then
      local name = name_of(envelopes[i] or call('HGET', tasks, id) or '')
      for _, lane in ipairs({'name:' .. name, 'unknown:' .. name}) do
        local score = call('ZSCORE', held, lane .. '/' .. id)
        if score then found[i] = {'held', score, lane .. '/' .. id} end
      end
    end
    found[i] = found[i] or {'ready', '0', id}
  end
  return found
end

local function place_of(id, envelope)
  return unpack(places_of({id}, {envelope})[1])
end

-- A task that waits leaves its place; what counts it there is the caller's. Needs the name `removed` as well.
local function leave_place(id, place, member)
  if place == 'ready' then
    call('SADD', removed, id)
  elseif place == 'prioritized' then
    call('ZREM', prioritized, id)
  elseif place == 'scheduled' then
    call('ZREM', scheduled, id)
  elseif place == 'retrying' then
    call('ZREM', retrying, id)
  elseif place == 'held' then
    call('ZREM', held, member)
  end
end
