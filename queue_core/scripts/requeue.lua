#!lua flags=allow-oom
-- Dead letters become ready again, behind what waits already: their history stays, they get a fresh allowance.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, dead ZSET, dead_by_fault
-- ZSET, trash ZSET, unique HASH, unique_expiring ZSET, history HASH, stats HASH, notify LIST; at the change of a minute:
-- telemetry HASH, then for a chunk its operation HASH, `operations` ZSET and `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] JSON object for the histories, not empty
-- then two for each task: id, time of death in ms; or for a chunk the runner's token
-- Returns: now ms, then id, why: of those that were left alone (`changed`: it has died again since; `not dead`; `its
-- unique key is held by <id>`); of a chunk: now ms, how it goes on, when in ms or '', tasks done.
-- include begin session figures count envelope elements ready history retries unique retake letter position operation wake
if replayed then return replayed end
-- check keys

local ids, times = {}, {}
if operation then
  local refusal = open_chunk('requeue')
  if refusal then return refusal end
  ids, times = take({dead = dead, dead_by_fault = dead_by_fault})
else
  for i = 5, #ARGV, 2 do ids[#ids + 1], times[#ids + 1] = ARGV[i], ARGV[i + 1] end
end
local left, back = {}, 0
for i, id in ipairs(ids) do
  local expected = tonumber(times[i])
  local died = call('ZSCORE', dead, id)
  local envelope = died and call('HGET', tasks, id)
  local refusal = not envelope and 'not dead' or tonumber(died) ~= expected and 'changed' or key_refusal(id, envelope)
  if not refusal then
    if back == 0 then begin_writing() end
    back = back + 1
    put_back(id, envelope, died, operation and op.id or '', 'requeued', ARGV[4])
  else
    left[#left + 1] = id
    left[#left + 1] = refusal
  end
end
count('requeued', back)
wake(back)
if operation then return answer(close_chunk(left)) end
return answer({fmt('%.0f', now), unpack(left)})
