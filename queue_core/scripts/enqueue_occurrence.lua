#!lua
-- An occurrence of a schedule makes its task, once: one that is not later than the last that was noted makes none, nor
-- does one whose time has not come by the server's clock. The task enters as enqueue has it; where it meets another one,
-- by its id or its unique key, its occurrence is noted all the same. A full server refuses it, as it does enqueue.
-- KEYS control HASH, session STRING, stats HASH, occurrences HASH; read before anything is written: notify LIST, tasks
-- HASH, removed SET; written first, or looked at where the task has need of it: ready LIST, prioritized ZSET, scheduled
-- ZSET, retrying ZSET, unique HASH, unique_expiring ZSET, expiring ZSET; where an id is met, or there are limits: leases
-- ZSET, held ZSET, dead ZSET, trash ZSET; for the statistics: telemetry HASH, names HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number
-- ARGV[4] id   ARGV[5] envelope   ARGV[6] place: all three as enqueue has them   ARGV[7] schedule   ARGV[8] occurrence, ms
-- Returns: now ms; 'made', 'met', 'noted' (that one or a later one is) or 'early'; the occurrence that is noted now, ms,
-- or ''; the id of its task, or of the one that was met, or ''.
-- include begin session figures count names envelope elements ready wake
local TOO_FAR_MS = 3600000
if replayed then return replayed end
-- check keys

local schedule, occurrence = ARGV[7], tonumber(ARGV[8])
local noted, noted_id = match(call('HGET', occurrences, schedule) or '', '^(%d+) (%S+)')
-- A clock that has gone back a long way must not keep a schedule waiting until it has come that far again.
if noted and tonumber(noted) > now + TOO_FAR_MS then noted = nil end
if noted and occurrence <= tonumber(noted) then return answer({fmt('%.0f', now), 'noted', noted, noted_id}) end
if occurrence > now then return answer({fmt('%.0f', now), 'early', noted or '', noted and noted_id or ''}) end

local total = 1
-- include enter
local holder = met[2] and match(met[2], ' (%S+)$')
local what, id = holder and 'met' or 'made', holder or ids[1]
call('HSET', occurrences, schedule, fmt('%.0f %s %s', occurrence, id, what))
return answer({fmt('%.0f', now), what, fmt('%.0f', occurrence), id})
