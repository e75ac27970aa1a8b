#!lua flags=allow-oom
-- A sign-in to a console has ended before its time, also where the server is full: whoever copied it stays out. Those that
-- would be over anyway go, and of too many the ones that would be first.
-- KEYS none of a queue, then the ended sign-ins ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sign-in   ARGV[4] until when, s   ARGV[5] now by the console, s
-- ARGV[6] how many are kept
-- Returns how many have gone.
local gone = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[5])
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
return gone + redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[6]) - 1)
