#!lua flags=allow-oom
-- Tasks whose time to begin is over end as expired, wherever they wait, and leave a record. What runs is not touched, nor
-- what lies in the trash: it is noted, so that it ends when it waits again.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, held ZSET, dead ZSET, trash ZSET, unique HASH, expiring ZSET, history HASH, outcomes HASH, faults HASH, stats
-- HASH; for the statistics: telemetry HASH, names HASH, then a record HASH for each task, in order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long a record is kept, ms   then the ids
-- Returns the list of ids that have not ended.
-- include begin session figures count names envelope places history outcome retries record ended unique expiring
if replayed then return replayed end
-- check keys
for i = NAMED + 1, #KEYS do
  wrong = check_types('hash', KEYS[i])
  if wrong then return wrong end
end

local left_alone = {}
for i = 5, #ARGV do
  local id, has_ended = ARGV[i], false
  local time = tonumber(call('ZSCORE', expiring, id) or nil)
  if time and time <= now then
    begin_writing()
    local envelope = call('HGET', tasks, id)
    local place, _, member
    if envelope then place, _, member = place_of(id, envelope) end
    if place == 'running' or place == 'trashed' then
      call('ZADD', expiring, '+inf', id)
    elseif place and place ~= 'dead' then
      if place == 'retrying' then count_in_fault(read_history(id).fault, 'retrying', -1) end
      count_outcome(read_history(id), 'ended')
      keep_record(KEYS[NAMED + i - 4], id, 'expired', '', ARGV[4])
      count('expired', call('HDEL', tasks, id))
      count_name('expired', name_of(envelope), 1)
      leave_place(id, place, member)
      forget_history(id)
      release_key_of(id, envelope)
      forget_expiry({id})
      tell_end(id)
      has_ended = true
    else
      forget_expiry({id})
    end
  end
  if not has_ended then left_alone[#left_alone + 1] = id end
end
return answer(left_alone)
