#!lua flags=allow-oom
-- Tasks in the trash are deleted for good: those that are named, or those whose time has come.
-- KEYS control HASH, session STRING, tasks HASH, history HASH, stats HASH, dead ZSET, trash ZSET, trashed HASH, faults
-- HASH, unique HASH, expiring ZSET, outcomes HASH; at the change of a minute: telemetry HASH, then for a chunk its
-- operation HASH, `operations` ZSET and `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] limit, tasks; 0: those that are named
-- then the ids; or for a chunk the runner's token
-- Returns: now ms, number deleted, then id, why: of those that were left alone (`not in the trash`, `being moved to
-- <queue>`); of a chunk: now ms, how it goes on, when in ms or '', tasks done.
-- include begin session figures count history outcome retries origin envelope unique expiring trash position operation ended
if replayed then return replayed end
-- check keys

local ids, limit = {}, tonumber(ARGV[4])
if operation then
  local refusal = open_chunk('delete')
  if refusal then return refusal end
  ids = take({trashed = trash})
elseif limit > 0 then
  ids = call('ZRANGEBYSCORE', trash, '-inf', now, 'LIMIT', 0, limit)
else
  for i = 5, #ARGV do ids[#ids + 1] = ARGV[i] end
end
local left, deleted, seen = {}, {}, {}
for _, id in ipairs(ids) do
  local moving = moving_of(origin_of(id))
  if call('ZSCORE', trash, id) and not seen[id] and not moving then
    seen[id] = true
    deleted[#deleted + 1] = id
  else
    left[#left + 1] = id
    left[#left + 1] = moving or 'not in the trash'
  end
end
if #deleted > 0 then
  begin_writing()
  leave_trash(deleted, 'deleted')
  for _, id in ipairs(deleted) do tell_end(id) end
end
if operation then return answer(close_chunk(left)) end
return answer({fmt('%.0f', now), #deleted, unpack(left)})
