#!lua flags=allow-oom
-- Leased tasks go back to where they were claimed from, at the head: nothing is held against them. One whose name this
-- worker does not know goes to its lane, which is closed until a worker claims that knows the name. One that was asked
-- to stop is cancelled.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, held ZSET, closed HASH,
-- leases ZSET, running HASH, cancelling HASH, unique HASH, expiring ZSET, history HASH, outcomes HASH, stats HASH, notify LIST; at the
-- change of a minute: telemetry HASH, then a record HASH for each task, in order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long a record is kept, ms
-- then four for each task: id, fence, lane (`unknown:<task>`) or '', JSON object for its history where its run had
-- begun, else ''
-- Returns the list of ids whose lease was lost.
-- include begin session figures count envelope elements ready claims history outcome lanes record ended unique expiring cancelled wake
if replayed then return replayed end
-- check keys
for i = NAMED + 1, #KEYS do
  wrong = check_types('hash', KEYS[i])
  if wrong then return wrong end
end

local ids, total = {}, (#ARGV - 4) / 4
if total == 0 then return answer({}) end
for i = 1, total do ids[i] = ARGV[1 + i * 4] end
local claims = call('HMGET', running, unpack(ids))
local asked = asked_to_stop(ids)
local lost, seen, returned, back, aside = {}, {}, {}, 0, 0
-- From the last to the first: the first one stands at the head in the end.
for i = total, 1, -1 do
  local id, fence, lane, facts = ids[i], ARGV[2 + i * 4], ARGV[3 + i * 4], ARGV[4 + i * 4]
  local held_fence, digits = match(claims[i] or '', '^(%d+) %d+ (%w*) ')
  local worker = worker_of(claims[i])
  local envelope = held_fence == fence and not seen[id] and call('HGET', tasks, id)
  if envelope then
    if #returned == 0 then begin_writing() end
    seen[id] = true
    returned[#returned + 1] = id
    if asked[i] then
      end_cancelled(KEYS[NAMED + i], id, facts == '' and asked[i] or join(asked[i], facts), worker, ARGV[4])
    elseif facts ~= '' then
      local counters, lines = read_history(id)
      counters.releases = counters.releases + 1
      write_history(id, counters, lines, 'released', facts)
    end
    if not asked[i] and lane ~= '' then
      aside = aside + 1
      -- Also one that is open: it would give the task to the same worker again, and again.
      if sub(call('HGET', closed, lane) or '', 1, 7) ~= 'closed ' then
        close(lane, worker, 'no worker knows this task')
      end
      call('ZADD', held, 0, lane .. '/' .. id)
    elseif not asked[i] then
      back = back + 1
      make_ready(id, priority_of(envelope), digits, true)
    end
  else
    table.insert(lost, 1, id)
  end
end
if #returned > 0 then
  call('ZREM', leases, unpack(returned))
  call('HDEL', running, unpack(returned))
  if #asked > 0 then call('HDEL', cancelling, unpack(returned)) end
  expire_if_over(returned)
  -- Of a task that went to a lane all who listen are to hear: one of them may know the name.
  wake(aside > 0 and MAX_TOKENS or back)
end
return answer(lost)
