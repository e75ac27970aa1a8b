-- A task ends as cancelled. Needs count.lua, history.lua, outcome.lua, record.lua, ended.lua, unique.lua and expiring.lua,
-- and the names `tasks`, `cancelling` of the script's keys.

-- For each of these ids, in order: the JSON object that says who asked the running task to stop, or false.
local function asked_to_stop(ids)
  if #ids == 0 or call('EXISTS', cancelling) == 0 then return {} end
  return call('HMGET', cancelling, unpack(ids))
end

-- Two JSON objects that are not empty, as one.
local function join(first, second)
  return sub(first, 1, -2) .. ',' .. sub(second, 2)
end

-- Its record says what `facts` say: a JSON object, not empty. Whoever calls takes it out of its place afterwards.
local function end_cancelled(key, id, facts, worker, keep_ms)
  local counters, lines = read_history(id)
  count_outcome(counters, 'ended')
  write_history(id, counters, lines, 'cancelled', facts)
  keep_record(key, id, 'cancelled', worker, keep_ms)
  release_key_of(id, call('HGET', tasks, id))
  forget_expiry({id})
  count('cancelled', call('HDEL', tasks, id))
  forget_history(id)
  tell_end(id)
end
