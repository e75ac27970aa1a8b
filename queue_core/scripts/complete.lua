#!lua flags=allow-oom
-- Tasks end well: whoever holds their fence takes them out of the queue. What had a history leaves a record, and so does
-- what keeps its result. One that was asked to stop has been faster.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET; read before anything is written: running HASH,
-- cancelling HASH, expiring ZSET; written first: stats HASH; looked at where a task has need of it: unique HASH,
-- history HASH, outcomes HASH; at the change of a minute: telemetry HASH, then a record HASH for each task that leaves
-- one, in order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long a record is kept, ms
-- then four for each task: id, fence, '' or a JSON object (`history`: true where it has one; `unique`: the key that it
-- holds until it ends; `result_ms`: how long its result is kept; `no_result`: why there is none), result as JSON or ''
-- Returns the list of ids whose lease was lost.
-- include begin session figures count claims
if replayed then return replayed end
-- check keys

local ids, total = {}, (#ARGV - 4) / 4
if total == 0 then return answer({}) end
for i = 1, total do ids[i] = ARGV[1 + i * 4] end
local claims = call('HMGET', running, unpack(ids))
local lost, ended, seen, record_key = {}, {}, {}, NAMED + 1
local records, keyed = {}, {}
for i = 1, total do
  local id, fence, about, key = ids[i], ARGV[2 + i * 4], ARGV[3 + i * 4], nil
  if about ~= '' then
    about = cjson.decode(about)
    if about.history or about.result_ms then
      key = KEYS[record_key]
      record_key = record_key + 1
    end
  end
  if claims[i] and match(claims[i], '^%d+') == fence and not seen[id] then
    seen[id] = true
    ended[#ended + 1] = id
    if about ~= '' and about.unique then keyed[#keyed + 1] = {id, about.unique} end
    if key then
      wrong = check_types('hash', key)
      if wrong then return wrong end
      records[#records + 1] = {id, key, worker_of(claims[i]), about, ARGV[4 + i * 4]}
    end
  else
    lost[#lost + 1] = id
  end
end

if #ended > 0 then
  local has_flags, has_expiring = call('HLEN', cancelling) > 0, call('ZCARD', expiring) > 0
  if #records > 0 or #keyed > 0 then
    wrong = check_types('hash', unique, 'hash', history, 'hash', outcomes, 'hash', stats)
    if wrong then return wrong end
  end
  if #records > 0 then
    -- include history outcome record
    local is_asked = call('EXISTS', outcomes) == 1
    for _, record in ipairs(records) do
      if is_asked then count_outcome(read_history(record[1]), 'completed') end
      local id, key, worker, about, result = unpack(record)
      local result_ms = about.result_ms or 0
      local keep_ms = math.max(result_ms, about.history and tonumber(ARGV[4]) or 0)
      keep_record(key, id, 'completed', worker, fmt('%.0f', keep_ms))
      if about.result_ms then
        call('HSET', key, 'result_until', fmt('%.0f', now + result_ms), about.no_result and 'no_result' or 'result',
          about.no_result or result)
      end
    end
  end
  -- Of most tasks the first write: where the books are damaged, it changes nothing.
  count('completed', #ended)
  begin_writing()
  call('HDEL', tasks, unpack(ended))
  if #records > 0 then
    -- include ended
    for _, record in ipairs(records) do
      call('HDEL', history, record[1], ':' .. record[1])
      tell_end(record[1])
    end
  end
  if #keyed > 0 then
    -- include unique
    for _, task in ipairs(keyed) do release_key(task[1], task[2]) end
  end
  if has_expiring then call('ZREM', expiring, unpack(ended)) end
  call('ZREM', leases, unpack(ended))
  call('HDEL', running, unpack(ended))
  if has_flags then call('HDEL', cancelling, unpack(ended)) end
end
return answer(lost)
