#!lua flags=allow-oom
-- A worker is there at this time, also where the server is full: it works, and is not to be taken for lost. Those of
-- whom nothing was heard for long go.
-- KEYS none of a queue, then the workers ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] worker   ARGV[4] its heartbeat, ms   ARGV[5] those of before go, ms
-- Returns how many have gone.
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[5])
