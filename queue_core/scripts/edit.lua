#!lua flags=allow-oom
-- A dead letter gets another envelope, of the same name and unique key, and becomes ready again as requeue has it.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, dead ZSET, dead_by_fault
-- ZSET, trash ZSET, unique HASH, unique_expiring ZSET, history HASH, stats HASH, notify LIST; at the change of a minute:
-- telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] JSON object for the history, not empty
-- ARGV[5] id   ARGV[6] time of death, ms   ARGV[7] its new envelope
-- Returns: now ms, then id, why, where it was left alone (`changed`: it has died again since, or is another task; `not
-- dead`; `its unique key is held by <id>`).
-- include begin session figures count envelope elements ready history retries unique retake letter wake
if replayed then return replayed end
-- check keys

local id, edited = ARGV[5], ARGV[7]
local died = call('ZSCORE', dead, id)
local envelope = died and call('HGET', tasks, id)
local is_other = envelope and (tonumber(died) ~= tonumber(ARGV[6]) or name_of(envelope) ~= name_of(edited)
  or key_of(envelope) ~= key_of(edited))
local refusal = not envelope and 'not dead' or is_other and 'changed' or key_refusal(id, edited)
if refusal then return answer({fmt('%.0f', now), id, refusal}) end

begin_writing()
call('HSET', tasks, id, edited)
put_back(id, edited, died, '', 'edited', ARGV[4])
count('requeued', 1)
wake(1)
return answer({fmt('%.0f', now)})
