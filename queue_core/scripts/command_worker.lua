#!lua flags=allow-oom
-- A worker is told what to do: the command lies where it looks with each heartbeat, the one before it makes room. Where
-- it listens it hears that there is something to read. In time it expires: who did not read it does not do it.
-- KEYS none of a queue, then the command STRING, which is the channel's name, too
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] the command   ARGV[4] how long it stays, ms
-- Returns OK.
local written = redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('PUBLISH', KEYS[1], '')
return written
