#!lua flags=no-writes,allow-oom
-- Reads what has outstayed its time: tasks that are not to begin any more, and dead letters beyond what the queue keeps.
-- KEYS control HASH, expiring ZSET, dead ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] limit, of each
-- Returns: now ms; list of ids whose time to begin is over; list of the oldest letters that are too old, or too many;
-- which of it: `age`, `count` or ''; time of death of the last of them, ms, or ''.
-- include begin limits
-- check keys

local most = ARGV[3]
local overdue = call('ZRANGEBYSCORE', expiring, '-inf', now, 'LIMIT', 0, most)
local max_age, max_count = limit_of('dead_max_age'), limit_of('dead_max_count')
local letters, why = {}, ''
if max_age then
  letters = call('ZRANGEBYSCORE', dead, '-inf', fmt('%.0f', now - max_age), 'WITHSCORES', 'LIMIT', 0, most)
  why = 'age'
end
local surplus = max_count and call('ZCARD', dead) - max_count or 0
if #letters == 0 and surplus > 0 then
  letters = call('ZRANGE', dead, 0, math.min(surplus, most) - 1, 'WITHSCORES')
  why = 'count'
end
local ids = {}
for i = 1, #letters, 2 do ids[#ids + 1] = letters[i] end
return {fmt('%.0f', now), overdue, ids, #ids > 0 and why or '', letters[#letters] or ''}
