#!lua flags=allow-oom
-- Tasks in the trash are deleted for good: those that are named, or those whose time has come.
-- KEYS control HASH, session STRING, tasks HASH, history HASH, stats HASH, dead ZSET, trash ZSET, trashed HASH, faults
-- HASH, unique HASH, expiring ZSET; at the change of a minute: telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] limit, tasks; 0: those that are named
-- then the ids
-- Returns: now ms, number deleted, then id, why: of those that were left alone (`not in the trash`, `being moved to
-- <queue>`).
-- include begin session figures count history retries origin envelope unique expiring trash ended
if replayed then return replayed end
-- check keys

local ids, limit = {}, tonumber(ARGV[4])
if limit > 0 then
  ids = call('ZRANGEBYSCORE', trash, '-inf', now, 'LIMIT', 0, limit)
else
  for i = 5, #ARGV do ids[#ids + 1] = ARGV[i] end
end
local reply, deleted, seen = {fmt('%.0f', now), 0}, {}, {}
for _, id in ipairs(ids) do
  local moving = moving_of(origin_of(id))
  if call('ZSCORE', trash, id) and not seen[id] and not moving then
    seen[id] = true
    deleted[#deleted + 1] = id
  else
    reply[#reply + 1] = id
    reply[#reply + 1] = moving or 'not in the trash'
  end
end
reply[2] = #deleted
if #deleted > 0 then
  begin_writing()
  leave_trash(deleted, 'deleted')
  for _, id in ipairs(deleted) do tell_end(id) end
end
return answer(reply)
