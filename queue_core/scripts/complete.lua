#!lua flags=allow-oom
-- Tasks end well: whoever holds their fence takes them out of the queue. What had a history leaves a record.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, running HASH, history HASH, stats HASH; at the change
-- of a minute: telemetry HASH, then a record HASH for each task that has a history, in order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long a record is kept, ms
-- then three for each task: id, fence, '1' where it has a history, else ''
-- Returns the list of ids whose lease was lost.
-- include begin session count record
if replayed then return replayed end
-- check keys

local ids, total = {}, (#ARGV - 4) / 3
if total == 0 then return answer({}) end
for i = 1, total do ids[i] = ARGV[2 + i * 3] end
local claims = call('HMGET', running, unpack(ids))
local lost, ended, seen, record_key = {}, {}, {}, NAMED + 1
local records = {}
for i = 1, total do
  local id, fence, has_history = ids[i], ARGV[3 + i * 3], ARGV[4 + i * 3] == '1'
  local key = has_history and KEYS[record_key]
  if has_history then record_key = record_key + 1 end
  if claims[i] and match(claims[i], '^%d+') == fence and not seen[id] then
    seen[id] = true
    ended[#ended + 1] = id
    if key then
      wrong = check_types('hash', key)
      if wrong then return wrong end
      records[#records + 1] = {id, key, match(claims[i], '(%S+)$')}
    end
  else
    lost[#lost + 1] = id
  end
end

if #ended > 0 then
  begin_writing()
  for _, record in ipairs(records) do keep_record(record[2], record[1], 'completed', record[3], ARGV[4]) end
  count('completed', #ended)
  call('HDEL', tasks, unpack(ended))
  for _, record in ipairs(records) do call('HDEL', history, record[1], ':' .. record[1]) end
  call('ZREM', leases, unpack(ended))
  call('HDEL', running, unpack(ended))
end
return answer(lost)
