#!lua flags=allow-oom
-- Leased tasks go back to where they were claimed from, at the head: nothing is held against them. One whose name this
-- worker does not know goes to its lane, which is closed until a worker claims that knows the name.
-- KEYS[1] control: HASH   KEYS[2] session: STRING   KEYS[3] tasks: HASH   KEYS[4] ready: LIST   KEYS[5] removed: SET
-- KEYS[6] prioritized: ZSET   KEYS[7] held: ZSET   KEYS[8] closed: HASH   KEYS[9] leases: ZSET   KEYS[10] running: HASH
-- KEYS[11] history: HASH   KEYS[12] notify: LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then four for each task: id, fence, lane
-- (`unknown:<task>`) or '', JSON object for its history where its run had begun, else ''
-- Returns the list of ids whose lease was lost.
-- include begin session
local tasks, ready, removed, prioritized, held = KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local closed, leases, running, history, notify = KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
-- include envelope ready history lanes wake
if replayed then return replayed end
local wrong = check_types('hash', tasks, 'list', ready, 'set', removed, 'zset', prioritized, 'zset', held,
  'hash', closed, 'zset', leases, 'hash', running, 'hash', history, 'list', notify)
if wrong then return wrong end

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
