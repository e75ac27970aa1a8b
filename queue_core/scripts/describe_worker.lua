#!lua flags=allow-oom
-- What a worker says of itself is kept for a while, also where the server is full.
-- KEYS none of a queue, then the worker STRING
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] what it says   ARGV[4] for how long it is kept, s
-- Returns OK.
return redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
