#!lua flags=allow-oom
-- A queue's name stands in the directory, also where the server is full: what is not seen is not emptied.
-- KEYS none of a queue, then the directory SET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] the queue's name
-- Returns 1 where it was not there before, else 0.
return redis.call('SADD', KEYS[1], ARGV[3])
