#!lua flags=allow-oom
-- Tasks of this lane are given out again: those that were put aside first, claim leases them straight from there.
-- KEYS control HASH, session STRING, held ZSET, closed HASH, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] lane   ARGV[5] by whom
-- Returns: now ms, 1 when it was closed before, else 0.
-- include begin session lanes wake
if replayed then return replayed end
-- check keys

local lane = ARGV[4]
local known_lane = call('HGET', closed, lane)
local was_closed = known_lane and sub(known_lane, 1, 7) == 'closed ' or false
if was_closed then
  begin_writing()
  local count = lane_count(lane)
  if count > 0 then
    call('HSET', closed, lane, 'open ' .. cjson.encode({by = ARGV[5], reason = '', at = now}))
  else
    call('HDEL', closed, lane)
  end
  -- Also where it was empty: what stands in `unknown:<task>` had to wait for `name:<task>`.
  wake(count > 0 and count or 1)
end
return answer({fmt('%.0f', now), was_closed and 1 or 0})
