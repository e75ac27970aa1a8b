#!lua flags=allow-oom
-- Tasks of this lane are not given out until it is opened: claim puts them aside as it meets them.
-- KEYS control HASH, session STRING, closed HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] lane   ARGV[5] by whom   ARGV[6] why
-- Returns: now ms, 1 when it was open before, else 0.
-- include begin session
if replayed then return replayed end
-- check keys

local known_lane = call('HGET', closed, ARGV[4])
local was_open = not known_lane or sub(known_lane, 1, 5) == 'open '
if was_open then
  begin_writing()
  call('HSET', closed, ARGV[4], 'closed ' .. cjson.encode({by = ARGV[5], reason = ARGV[6], at = now}))
end
return answer({fmt('%.0f', now), was_open and 1 or 0})
