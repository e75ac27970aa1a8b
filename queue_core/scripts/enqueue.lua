#!lua
-- Tasks enter the queue, each exactly once: an id that is still in the queue is met, not doubled.
-- A full server refuses this script, and no other (it alone lacks the flag allow-oom).
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET,
-- retrying ZSET, stats HASH, notify LIST; where an id is met: leases ZSET, held ZSET, dead ZSET, trash ZSET; for the
-- statistics: telemetry HASH, names HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number
-- then three for each task: id, envelope, place: '' (ready, priority 0) or `priority delay-ms due-ms` (due-ms is
-- absolute; 0 0: ready at once)
-- Returns a list: id, state, id, state … of those that were in the queue already.
-- include begin session figures count names envelope ready places wake
if replayed then return replayed end
-- check keys

local ids, total = {}, (#ARGV - 3) / 3
if total == 0 then return answer({}) end
for i = 1, total do ids[i] = ARGV[1 + i * 3] end
local known_envelopes = call('HMGET', tasks, unpack(ids))
local met, fields, elements, in_batch, ready_now = {}, {}, {}, {}, 0
local has_struck_out = call('SCARD', removed) > 0
local earliest = nil
local later, ahead, by_name = {}, {}, {}
for i = 1, total do
  local id, envelope, place = ids[i], ARGV[2 + i * 3], ARGV[3 + i * 3]
  if known_envelopes[i] then
    local state = place_of(id, known_envelopes[i])
    met[#met + 1] = id
    met[#met + 1] = state == 'prioritized' and 'ready' or state
  elseif in_batch[id] then
    met[#met + 1] = id
    met[#met + 1] = in_batch[id] == 'struck out' and 'ready' or in_batch[id]
  else
    fields[#fields + 1] = id
    fields[#fields + 1] = envelope
    local name = name_of(envelope)
    by_name[name] = (by_name[name] or 0) + 1
    in_batch[id] = 'ready'
    local priority, due = 0, 0
    if place ~= '' then
      local delay, at
      priority, delay, at = match(place, '^(-?%d+) (%d+) (%d+)$')
      priority, due = tonumber(priority), tonumber(at)
      if tonumber(delay) > 0 then due = now + delay end
    end
    if due > now then
      later[#later + 1] = due
      later[#later + 1] = id
      in_batch[id] = 'scheduled'
      if not earliest or due < earliest then earliest = due end
    else
      ready_now = ready_now + 1
      if priority ~= 0 then
        ahead[#ahead + 1] = score_of(priority, now)
        ahead[#ahead + 1] = id
      elseif not (has_struck_out and call('SISMEMBER', removed, id) == 1) then
        elements[#elements + 1] = element_of(id, own_time(id, now))
      else
        in_batch[id] = 'struck out'
      end
    end
  end
end

if #fields > 0 then
  local first_due = nil
  if earliest then
    for _, place in ipairs({scheduled, retrying}) do
      local first = call('ZRANGE', place, 0, 0, 'WITHSCORES')[2]
      if first and (not first_due or tonumber(first) < first_due) then first_due = tonumber(first) end
    end
  end
  begin_writing()
  call('HSET', tasks, unpack(fields))
  if #elements > 0 then call('RPUSH', ready, unpack(elements)) end
  if #ahead > 0 then call('ZADD', prioritized, unpack(ahead)) end
  if #later > 0 then call('ZADD', scheduled, unpack(later)) end
  for id, state in pairs(in_batch) do
    if state == 'struck out' then call('SREM', removed, id) end
  end
  count('enqueued', #fields / 2)
  for name, number in pairs(by_name) do count_name('enqueued', name, number) end
  if earliest and not (first_due and first_due <= earliest) and ready_now == 0 then ready_now = 1 end
  wake(ready_now)
end
return answer(met)
