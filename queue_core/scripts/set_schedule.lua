#!lua flags=allow-oom
-- A schedule is stored, changed or removed, unless it is no longer as its reader has seen it. Safe to send again, so it
-- has no session; also where the server is full: who pauses a schedule there fills it no further.
-- KEYS none of a queue, then the schedules HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] name   ARGV[4] as it was seen, or '' for none
-- ARGV[5] as it is to be, or '' for none
-- Returns 1 when it is so now, else 0.
local call = redis.call
local name, seen, wanted = ARGV[3], ARGV[4], ARGV[5]

local found = call('HGET', KEYS[1], name) or ''
if found == wanted then return 1 end
if found ~= seen then return 0 end
if wanted == '' then
  call('HDEL', KEYS[1], name)
else
  call('HSET', KEYS[1], name, wanted)
end
return 1
