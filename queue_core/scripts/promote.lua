#!lua flags=allow-oom
-- Tasks that wait for a time are ready now, behind what waits already.
-- KEYS[1] control: HASH   KEYS[2] session: STRING   KEYS[3] tasks: HASH   KEYS[4] ready: LIST   KEYS[5] removed: SET
-- KEYS[6] prioritized: ZSET   KEYS[7] scheduled: ZSET   KEYS[8] retrying: ZSET   KEYS[9] history: HASH
-- KEYS[10] faults: HASH   KEYS[11] notify: LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then the ids
-- Returns: now ms, then id, why: of those that were left alone (`not waiting for a time`).
-- include begin session
local tasks, ready, removed, prioritized = KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local scheduled, retrying, history, faults, notify = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
-- include envelope ready history retries wake
if replayed then return replayed end
local wrong = check_types('hash', tasks, 'list', ready, 'set', removed, 'zset', prioritized, 'zset', scheduled,
  'zset', retrying, 'hash', history, 'hash', faults, 'list', notify)
if wrong then return wrong end

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
