#!lua flags=allow-oom
-- Dead letters become ready again, behind what waits already: their history stays, they get a fresh allowance.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, dead ZSET, dead_by_fault
-- ZSET, trash ZSET, unique HASH, unique_expiring ZSET, history HASH, stats HASH, notify LIST; at the change of a minute:
-- telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] JSON object for the histories, not empty
-- then two for each task: id, time of death in ms
-- Returns: now ms, then id, why: of those that were left alone (`changed`: it has died again since; `not dead`; `its
-- unique key is held by <id>`).
-- include begin session figures count envelope ready history retries unique retake wake
if replayed then return replayed end
-- check keys

local reply, back = {fmt('%.0f', now)}, 0
for i = 5, #ARGV, 2 do
  local id, expected = ARGV[i], tonumber(ARGV[i + 1])
  local died = call('ZSCORE', dead, id)
  local envelope = died and call('HGET', tasks, id)
  local refusal = not envelope and 'not dead' or tonumber(died) ~= expected and 'changed' or key_refusal(id, envelope)
  if not refusal then
    if back == 0 then begin_writing() end
    back = back + 1
    local counters, lines = read_history(id)
    local letter = letter_of(counters.fault, died, id)
    counters.before = counters.before + counters.attempts
    counters.attempts, counters.crashes = 0, 0
    retake_key(id, envelope)
    make_ready(id, priority_of(envelope), own_time(id, now))
    write_history(id, counters, lines, 'requeued', ARGV[4])
    call('ZREM', dead, id)
    call('ZREM', dead_by_fault, letter)
  else
    reply[#reply + 1] = id
    reply[#reply + 1] = refusal
  end
end
count('requeued', back)
wake(back)
return answer(reply)
