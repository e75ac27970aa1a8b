#!lua flags=allow-oom
-- Tasks in the trash are deleted for good: those that are named, or those whose time has come.
-- KEYS control HASH, session STRING, tasks HASH, history HASH, stats HASH, trash ZSET, trashed HASH, faults HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] limit, tasks; 0: those that are named
-- then the ids
-- Returns: now ms, number deleted, then id, why: of those that were left alone (`not in the trash`).
-- include begin session history retries origin
if replayed then return replayed end
-- check keys

local ids, limit = {}, tonumber(ARGV[4])
if limit > 0 then
  ids = call('ZRANGEBYSCORE', trash, '-inf', now, 'LIMIT', 0, limit)
else
  for i = 5, #ARGV do ids[#ids + 1] = ARGV[i] end
end
local reply, deleted, histories, seen = {fmt('%.0f', now), 0}, {}, {}, {}
for _, id in ipairs(ids) do
  if call('ZSCORE', trash, id) and not seen[id] then
    seen[id] = true
    deleted[#deleted + 1] = id
    histories[#histories + 1] = id
    histories[#histories + 1] = ':' .. id
  else
    reply[#reply + 1] = id
    reply[#reply + 1] = 'not in the trash'
  end
end
reply[2] = #deleted
if #deleted > 0 then
  begin_writing()
  for _, id in ipairs(deleted) do
    local from = origin_of(id).from
    if from == 'dead' or from == 'retrying' then count_in_fault(read_history(id).fault, 'trashed', -1) end
  end
  -- An id without a task is dropped, and is no task that was deleted.
  call('HINCRBY', stats, 'deleted', call('HDEL', tasks, unpack(deleted)))
  call('HDEL', history, unpack(histories))
  call('ZREM', trash, unpack(deleted))
  call('HDEL', trashed, unpack(deleted))
end
return answer(reply)
