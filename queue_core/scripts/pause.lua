#!lua flags=allow-oom
-- Nothing of the queue is given out until it is resumed. Who paused it first, and why, stays.
-- KEYS control HASH, session STRING, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] by whom   ARGV[5] why
-- Returns: now ms, 1 when it was running before, else 0.
-- include begin session
if replayed then return replayed end
-- check keys

if not known.paused then
  begin_writing()
  call('HSET', control, 'paused', cjson.encode({by = ARGV[4], reason = ARGV[5], at = now}))
  call('DEL', notify)
end
return answer({fmt('%.0f', now), known.paused and 0 or 1})
