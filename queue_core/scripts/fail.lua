#!lua flags=allow-oom
-- Attempts have failed: each counts in its fault, and its task waits for a retry, is a dead letter, or is discarded. One
-- that was asked to stop does not run again: it is cancelled, also where its handler says that it has stopped.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, running HASH, retrying ZSET, scheduled ZSET, dead ZSET,
-- dead_by_fault ZSET, faults HASH, faults_seen ZSET, cancelling HASH, unique HASH, expiring ZSET, history HASH, outcomes
-- HASH, stats HASH, notify LIST; at the change of a minute: telemetry HASH, then a record HASH for each task, in order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long a record is kept, ms
-- ARGV[5] version of the application   then ten for each task: id, fence, verdict (retry, dead, discard, cancel), delay
-- before the retry in ms, fingerprint, overflow fingerprint, fault's JSON object, history's JSON object (not empty),
-- digest of the frames, traceback or ''
-- Returns the list of ids whose lease was lost.
-- include begin session figures count claims history outcome retries faults record ended envelope unique expiring cancelled wake
if replayed then return replayed end
-- check keys

local FIELDS, MAX_TRACEBACK = 10, 4096
local ids, total = {}, (#ARGV - 5) / FIELDS
if total == 0 then return answer({}) end
for i = 1, total do ids[i] = ARGV[6 + (i - 1) * FIELDS] end
local claims = call('HMGET', running, unpack(ids))
local asked = asked_to_stop(ids)
local lost, failed, seen = {}, {}, {}
for i = 1, total do
  local at = 6 + (i - 1) * FIELDS
  local id, fence, key = ids[i], ARGV[at + 1], KEYS[NAMED + i]
  if claims[i] and match(claims[i], '^%d+') == fence and not seen[id] then
    seen[id] = true
    wrong = check_types('hash', key)
    if wrong then return wrong end
    failed[#failed + 1] = {id, at, key, worker_of(claims[i]), asked[i]}
  else
    lost[#lost + 1] = id
  end
end
if #failed == 0 then return answer(lost) end

begin_writing()
local first_due = nil
for _, place in ipairs({scheduled, retrying}) do
  local first = call('ZRANGE', place, 0, 0, 'WITHSCORES')[2]
  if first and (not first_due or tonumber(first) < first_due) then first_due = tonumber(first) end
end
local earliest, left, noted_failures, retried, died, discarded = nil, {}, 0, 0, 0, 0

-- The failure counts, and stands in the history. Returns the fault.
local function note_failure(id, at)
  noted_failures = noted_failures + 1
  local traceback = ARGV[at + 9]
  local fault, has_own_frames =
    count_failure(ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[5], ARGV[at + 8], traceback)
  local counters, lines = read_history(id)
  counters.attempts, counters.fault = counters.attempts + 1, fault
  count_outcome(counters, 'failed')
  local facts = sub(ARGV[at + 7], 1, -2) .. ',"attempt":' .. counters.attempts .. ',"fault":"' .. fault .. '"}'
  write_history(id, counters, lines, 'failed', facts)
  if has_own_frames then
    call('HSET', history, ':' .. id, sub(traceback, -MAX_TRACEBACK))
  else
    call('HDEL', history, ':' .. id)
  end
  return fault
end

for i, task in ipairs(failed) do
  local id, at, key, worker, request = unpack(task)
  local verdict, delay_ms, facts = ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 7]
  local fault = verdict ~= 'cancel' and note_failure(id, at)
  if request or verdict == 'cancel' then
    end_cancelled(key, id, request and join(request, facts) or facts, worker, ARGV[4])
  elseif verdict == 'retry' then
    retried = retried + 1
    call('ZADD', retrying, now + delay_ms, id)
    count_in_fault(fault, 'retrying', 1)
    if not earliest or now + delay_ms < earliest then earliest = now + delay_ms end
  elseif verdict == 'dead' then
    died = died + 1
    bury(id, fault)
    tell_end(id)
  else
    discarded = discarded + 1
    count_outcome(read_history(id), 'ended')
    keep_record(key, id, 'discarded', worker, ARGV[4])
    release_key_of(id, call('HGET', tasks, id))
    forget_expiry({id})
    call('HDEL', tasks, id)
    forget_history(id)
    tell_end(id)
  end
  left[i] = id
end
count('failed', noted_failures)
count('retried', retried)
count_deaths(died)
count('discarded', discarded)
call('ZREM', leases, unpack(left))
call('HDEL', running, unpack(left))
if #asked > 0 then call('HDEL', cancelling, unpack(left)) end
expire_if_over(left)
if earliest and not (first_due and first_due <= earliest) then wake(1) end
return answer(lost)
