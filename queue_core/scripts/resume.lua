#!lua flags=allow-oom
-- The queue gives out its tasks again, and its workers are woken.
-- KEYS control HASH, session STRING, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying ZSET, held
-- ZSET, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number
-- Returns: now ms, 1 when it was paused before, else 0.
-- include begin session envelope elements ready wake
if replayed then return replayed end
-- check keys

local was_paused = paused
if paused then
  begin_writing()
  call('HDEL', control, 'paused')
  paused = false
  wake(ready_count() + call('ZCARD', scheduled) + call('ZCARD', retrying) + call('ZCARD', held))
end
return answer({fmt('%.0f', now), was_paused and 1 or 0})
