#!lua flags=allow-oom
-- The queue gives out its tasks again, and its workers are woken.
-- KEYS[1] control: HASH   KEYS[2] session: STRING   KEYS[3] ready: LIST   KEYS[4] removed: SET
-- KEYS[5] prioritized: ZSET   KEYS[6] scheduled: ZSET   KEYS[7] retrying: ZSET   KEYS[8] held: ZSET   KEYS[9] notify: LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number
-- Returns: now ms, 1 when it was paused before, else 0.
-- include begin session
local ready, removed, prioritized, scheduled = KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local retrying, held, notify = KEYS[7], KEYS[8], KEYS[9]
-- include envelope ready wake
if replayed then return replayed end
local wrong = check_types('list', ready, 'set', removed, 'zset', prioritized, 'zset', scheduled, 'zset', retrying,
  'zset', held, 'list', notify)
if wrong then return wrong end

local was_paused = paused
if paused then
  call('HDEL', control, 'paused')
  paused = false
  wake(ready_count() + call('ZCARD', scheduled) + call('ZCARD', retrying) + call('ZCARD', held))
end
return answer({fmt('%.0f', now), was_paused and 1 or 0})
