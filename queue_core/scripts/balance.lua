#!lua flags=allow-oom
-- The books balance again: what came in without being counted, or is gone without being counted, stands under `repaired`.
-- KEYS control HASH, session STRING, tasks HASH, stats HASH; at the change of a minute: telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number
-- Returns how many tasks were entered under `repaired`; fewer than none: how many are gone.
-- include begin session known figures count
if replayed then return replayed[1] end
-- check keys

local function sum(...)
  local total = 0
  for _, count in ipairs(call('HMGET', stats, ...)) do total = total + (tonumber(count) or 0) end
  return total
end
local came = sum('enqueued', 'imported', 'repaired')
local left = sum('completed', 'discarded', 'cancelled', 'expired', 'deleted', 'exported')
local missing = call('HLEN', tasks) + left - came
if missing ~= 0 then
  begin_writing()
  count('repaired', missing)
end
answer({missing})
return missing
