#!lua flags=allow-oom
-- Tasks end before their time. One that waits is cancelled at once and leaves a record that says by whom and why; one
-- that runs is asked to stop, which its worker hears with its next heartbeat. Dead letters are purged, not cancelled.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, held ZSET, dead ZSET, trash ZSET, cancelling HASH, unique HASH, expiring ZSET, history HASH, outcomes
-- HASH, faults HASH, stats HASH; for the statistics: telemetry HASH, names HASH, then a record HASH for each task, in
-- order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long a record is kept, ms
-- ARGV[5] JSON object for the histories, not empty: by whom, why   then the ids
-- Returns: now ms, list of the ids that run and were asked to stop, then id, why: of those that were left alone
-- (`dead`, `in the trash`, `gone`).
-- include begin session figures count names envelope places history outcome retries record ended unique expiring cancelled
if replayed then return replayed end
-- check keys
for i = NAMED + 1, #KEYS do
  wrong = check_types('hash', KEYS[i])
  if wrong then return wrong end
end

local LEFT_ALONE = {dead = 'dead', trashed = 'in the trash'}
local asked, has_begun = {}, false
local reply = {fmt('%.0f', now), asked}
for i = 6, #ARGV do
  local id, key = ARGV[i], KEYS[NAMED + i - 5]
  local envelope = call('HGET', tasks, id)
  local place, score, member
  if envelope then place, score, member = place_of(id, envelope) end
  local refusal = not envelope and 'gone' or LEFT_ALONE[place]
  if refusal then
    reply[#reply + 1] = id
    reply[#reply + 1] = refusal
  else
    if not has_begun then begin_writing() end
    has_begun = true
    if place == 'running' then
      call('HSETNX', cancelling, id, ARGV[5])
      asked[#asked + 1] = id
    else
      if place == 'retrying' then count_in_fault(read_history(id).fault, 'retrying', -1) end
      end_cancelled(key, id, ARGV[5], '', ARGV[4])
      count_name('cancelled', name_of(envelope), 1)
      leave_place(id, place, member)
    end
  end
end
return answer(reply)
