-- Into the trash, and out of it for good. Needs origin.lua, outcome.lua, places.lua and retries.lua, and the names of the
-- keys that it writes.

-- Put a task where nothing finds it but `restore`: out of its place, until a time. `about`: JSON object of who and why.
local function put_in_trash(id, place, score, member, until_ms, about)
  about.from, about.score, about.member, about.at = place, score, member, now
  call('HSET', trashed, id, cjson.encode(about))
  call('ZADD', trash, until_ms, id)
  leave_place(id, place, member)
  if place == 'retrying' then
    local fault = read_history(id).fault
    count_in_fault(fault, 'retrying', -1)
    count_in_fault(fault, 'trashed', 1)
  elseif place == 'dead' then
    call('ZREM', dead, id)
    local fault = read_history(id).fault
    call('ZREM', dead_by_fault, letter_of(fault, score, id))
    count_in_fault(fault, 'trashed', 1)
  end
end

-- Tasks in the trash leave the queue for good, and are counted under that name. Needs count.lua, unique.lua and
-- expiring.lua as well.
local function leave_trash(ids, counter)
  local histories, is_asked = {}, call('EXISTS', outcomes) == 1
  for _, id in ipairs(ids) do
    histories[#histories + 1] = id
    histories[#histories + 1] = ':' .. id
    local from = origin_of(id).from
    if from == 'dead' or from == 'retrying' then count_in_fault(read_history(id).fault, 'trashed', -1) end
    if is_asked then count_outcome(read_history(id), 'ended') end
  end
  if call('EXISTS', unique) == 1 then
    for _, id in ipairs(ids) do release_key_of(id, call('HGET', tasks, id)) end
  end
  forget_expiry(ids)
  -- An id without a task is dropped, and is no task that left.
  count(counter, call('HDEL', tasks, unpack(ids)))
  call('HDEL', history, unpack(histories))
  call('ZREM', trash, unpack(ids))
  call('HDEL', trashed, unpack(ids))
end
