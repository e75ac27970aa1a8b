#!lua flags=allow-oom
-- Tasks whose worker is gone: each has crashed once more, and waits crashes² seconds for its next run (never at the
-- head: one poison task must not take its neighbours with it); too many crashes make it a dead letter, quarantined.
-- Without ids: leases that have run out, unless the server itself was away. With ids: those that a supervisor knows dead.
-- One that was asked to stop is cancelled, where its id was given, and else named, so that it can be: it leaves a record.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, running HASH, retrying ZSET, dead ZSET,
-- dead_by_fault ZSET, faults HASH, faults_seen ZSET, cancelling HASH, unique HASH, expiring ZSET, history HASH, outcomes
-- HASH, stats HASH, notify LIST; at the change of a minute: telemetry HASH, then a record HASH for each task, in order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] lease, ms   ARGV[5] limit, tasks
-- ARGV[6] crashes allowed, where the task's options do not say   ARGV[7] jitter, at most this share of the wait (0 to 1)
-- ARGV[8] seed of the jitter   ARGV[9] evidence: JSON object for the histories, not empty
-- ARGV[10] how long a record is kept, ms   then two for each task: id, fence
-- Returns: list of ids that will run again, list of ids that are dead letters now, list of ids whose lease was lost,
-- list of ids that were cancelled, list of id, fence: of those that were asked to stop and whose id was not given.
-- include begin session figures count life claims envelope history outcome retries faults record ended unique expiring cancelled wake
if replayed then return replayed end
-- check keys
for i = NAMED + 1, #KEYS do
  wrong = check_types('hash', KEYS[i])
  if wrong then return wrong end
end

local lease_ms, limit = tonumber(ARGV[4]), tonumber(ARGV[5])
local most_crashes, jitter, evidence = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[9]
local again, buried, lost, cancelled, flagged, taken = {}, {}, {}, {}, {}, {}
if #ARGV > 10 then
  local seen = {}
  for i = 11, #ARGV, 2 do
    local id, claim = ARGV[i], call('HGET', running, ARGV[i])
    if claim and match(claim, '^%d+') == ARGV[i + 1] and not seen[id] then
      seen[id] = true
      taken[#taken + 1] = {id, worker_of(claim), KEYS[NAMED + (i - 9) / 2], call('HGET', cancelling, id)}
    else
      lost[#lost + 1] = id
    end
  end
else
  local fields = signs_of_life(lease_ms)
  if fields[4] then call('HSET', control, unpack(fields)) end
  if now >= tonumber(fields[4] or known.grace or 0) then
    for _, id in ipairs(call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)) do
      local claim = call('HGET', running, id) or ''
      local fence = match(claim, '^%d+')
      if fence and call('HEXISTS', cancelling, id) == 1 then
        flagged[#flagged + 1] = id
        flagged[#flagged + 1] = fence
      else
        taken[#taken + 1] = {id, worker_of(claim)}
      end
    end
  end
end
if #taken == 0 then return answer({again, buried, lost, cancelled, flagged}) end

begin_writing()
math.randomseed(tonumber(ARGV[8]))
local left, earliest = {}, nil
for i, task in ipairs(taken) do
  local id, worker, key, request = unpack(task, 1, 4)
  local envelope = call('HGET', tasks, id)
  left[i] = id
  if envelope and request then
    local facts = join(request, join(evidence, '{"worker":' .. cjson.encode(worker) .. '}'))
    end_cancelled(key, id, facts, worker, ARGV[10])
    cancelled[#cancelled + 1] = id
  elseif envelope then
    local name = name_of(envelope)
    local counters, lines = read_history(id)
    counters.crashes = counters.crashes + 1
    local class = 'WorkerCrashed'
    local info = cjson.encode({task = name, class = class, message = 'the worker died while it ran this task', frame = ''})
    local fault = count_failure(sub(redis.sha1hex(name .. '\n' .. class), 1, 12),
      sub(redis.sha1hex(name .. '\n' .. class .. '\noverflow'), 1, 12), info, '', '', '')
    counters.fault = fault
    count_outcome(counters, 'failed')
    local facts = sub(evidence, 1, -2) .. fmt(',"crash":%d,"fault":"%s"', counters.crashes, fault)
      .. ',"worker":' .. cjson.encode(worker) .. '}'
    write_history(id, counters, lines, 'crashed', facts)
    if counters.crashes > (tonumber(options_of(envelope).max_crashes) or most_crashes) then
      bury(id, fault)
      tell_end(id)
      buried[#buried + 1] = id
    else
      local wait = counters.crashes * counters.crashes * 1000 * (1 + jitter * math.random())
      local due = floor(now + wait)
      call('ZADD', retrying, due, id)
      count_in_fault(fault, 'retrying', 1)
      if not earliest or due < earliest then earliest = due end
      again[#again + 1] = id
    end
  end
end
count('crashed', #again + #buried)
count('retried', #again)
count_deaths(#buried)
call('ZREM', leases, unpack(left))
call('HDEL', running, unpack(left))
if call('EXISTS', cancelling) == 1 then call('HDEL', cancelling, unpack(left)) end
expire_if_over(again)
if earliest then wake(1) end
return answer({again, buried, lost, cancelled, flagged})
