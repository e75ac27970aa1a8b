#!lua flags=allow-oom
-- Tasks that wait for a time are ready now, behind what waits already.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, history HASH, faults HASH, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then the ids
-- Returns: now ms, then id, why: of those that were left alone (`not waiting for a time`).
-- include begin session envelope ready history retries wake
if replayed then return replayed end
-- check keys

local reply, promoted = {fmt('%.0f', now)}, 0
for i = 4, #ARGV do
  local id = ARGV[i]
  local place = call('ZSCORE', scheduled, id) and scheduled or call('ZSCORE', retrying, id) and retrying
  local envelope = place and call('HGET', tasks, id)
  if envelope then
    if promoted == 0 then begin_writing() end
    promoted = promoted + 1
    make_ready(id, priority_of(envelope), own_time(id, now))
    if place == retrying then count_in_fault(read_history(id).fault, 'retrying', -1) end
    call('ZREM', place, id)
  else
    reply[#reply + 1] = id
    reply[#reply + 1] = 'not waiting for a time'
  end
end
wake(promoted)
return answer(reply)
