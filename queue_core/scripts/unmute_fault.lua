#!lua flags=allow-oom
-- A fault that was muted is a problem again, where it is one.
-- KEYS control HASH, session STRING, faults HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] fingerprint
-- Returns: now ms, 1 when it was muted before, else 0.
-- include begin session
if replayed then return replayed end
-- check keys

local mute = ARGV[4] .. ':mute'
local was_muted = call('HEXISTS', faults, mute)
if was_muted == 1 then
  begin_writing()
  call('HDEL', faults, mute)
end
return answer({fmt('%.0f', now), was_muted})
