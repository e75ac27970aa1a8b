#!lua
-- Tasks enter the queue, each exactly once: an id that is still in the queue is met, not doubled, and so is the task
-- that holds a unique key. All of them or none: a queue that is full, or whose rate is used up, takes no part of a batch.
-- A full server refuses this script, and no other (it alone lacks the flag allow-oom).
-- KEYS control HASH, session STRING, stats HASH; read before anything is written: notify LIST, tasks HASH, removed SET;
-- written first, or looked at where a task has need of it: ready LIST, prioritized ZSET, scheduled ZSET, retrying ZSET,
-- unique HASH, unique_expiring ZSET, expiring ZSET; where an id is met, or there are limits: leases ZSET, held ZSET,
-- dead ZSET, trash ZSET; for the statistics: telemetry HASH, names HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number
-- then three for each task: id, envelope, place: '' (ready, priority 0) or `priority delay-ms due-ms` (due-ms is
-- absolute; 0 0: ready at once), and behind that ` expires-ms unique-ms key` where it is not to begin after a time from
-- now (0: no such time), or is unique (for that time from now; 0: until it ends)
-- Returns a list: id, state, id, state … of those that were in the queue already. Behind the state of one whose key was
-- met stands the id that holds it; its state is `ended` where the key outlives it.
-- include begin session figures count names envelope elements ready wake
if replayed then return replayed end
-- check keys

local total = (#ARGV - 3) / 3
if total == 0 then return answer({}) end
-- include enter
return answer(met)
