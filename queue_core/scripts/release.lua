#!lua flags=allow-oom
-- Leased tasks go back to where they were claimed from, at the head: nothing is held against them. One whose name this
-- worker does not know goes to its lane, which is closed until a worker claims that knows the name.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, held ZSET, closed HASH,
-- leases ZSET, running HASH, history HASH, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then four for each task: id, fence, lane
-- (`unknown:<task>`) or '', JSON object for its history where its run had begun, else ''
-- Returns the list of ids whose lease was lost.
-- include begin session envelope ready history lanes wake
if replayed then return replayed end
-- check keys

local ids, total = {}, (#ARGV - 3) / 4
if total == 0 then return answer({}) end
for i = 1, total do ids[i] = ARGV[i * 4] end
local claims = call('HMGET', running, unpack(ids))
local lost, seen, returned, back = {}, {}, {}, 0
-- From the last to the first: the first one stands at the head in the end.
for i = total, 1, -1 do
  local id, fence, lane, facts = ids[i], ARGV[1 + i * 4], ARGV[2 + i * 4], ARGV[3 + i * 4]
  local held_fence, digits, worker = match(claims[i] or '', '^(%d+) %d+ (%w*) (%S+)$')
  local envelope = held_fence == fence and not seen[id] and call('HGET', tasks, id)
  if envelope then
    if #returned == 0 then begin_writing() end
    seen[id] = true
    returned[#returned + 1] = id
    if facts ~= '' then
      local counters, lines = read_history(id)
      counters.releases = counters.releases + 1
      write_history(id, counters, lines, 'released', facts)
    end
    if lane ~= '' then
      -- Also one that is open: it would give the task to the same worker again, and again.
      if sub(call('HGET', closed, lane) or '', 1, 7) ~= 'closed ' then
        close(lane, worker, 'no worker knows this task')
      end
      call('ZADD', held, 0, lane .. '/' .. id)
    else
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
  -- Of a task that went to a lane all who listen are to hear: one of them may know the name.
  wake(back == #returned and back or MAX_TOKENS)
end
return answer(lost)
