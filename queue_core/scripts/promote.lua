#!lua flags=allow-oom
-- Tasks that wait for a time are ready now, behind what waits already.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, history HASH, faults HASH, notify LIST, then for a chunk its operation HASH, `operations` ZSET and `outcomes`
-- HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then the ids; or for a chunk the runner's token
-- Returns: now ms, then id, why: of those that were left alone (`not waiting for a time`); of a chunk: now ms, how it
-- goes on, when in ms or '', tasks done.
-- include begin session envelope elements ready history retries position operation wake
if replayed then return replayed end
-- check keys

local ids = {}
if operation then
  local refusal = open_chunk('promote')
  if refusal then return refusal end
  ids = take({scheduled = scheduled, retrying = retrying})
else
  for i = 4, #ARGV do ids[#ids + 1] = ARGV[i] end
end
local left, promoted = {}, 0
for _, id in ipairs(ids) do
  local place = call('ZSCORE', scheduled, id) and scheduled or call('ZSCORE', retrying, id) and retrying
  local envelope = place and call('HGET', tasks, id)
  if envelope then
    if promoted == 0 then begin_writing() end
    promoted = promoted + 1
    make_ready(id, priority_of(envelope), own_time(id, now))
    if place == retrying then count_in_fault(read_history(id).fault, 'retrying', -1) end
    call('ZREM', place, id)
  else
    left[#left + 1] = id
    left[#left + 1] = 'not waiting for a time'
  end
end
wake(promoted)
if operation then return answer(close_chunk(left)) end
return answer({fmt('%.0f', now), unpack(left)})
