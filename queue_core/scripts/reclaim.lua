#!lua flags=allow-oom
-- Unique keys of a damaged queue are put in order: one that its holder cannot give back any more is free, one that is
-- held for a time stands with that time in `unique` and in `unique_expiring`. For `fsck`: all of these at one moment.
-- KEYS control HASH, session STRING, tasks HASH, unique HASH, unique_expiring ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] '1': write, '': only look
-- then the unique keys
-- Returns three for each that is not in order: unique key, what is wrong, what was done or is to be done.
-- include begin session envelope known
if replayed then return replayed end
-- check keys
-- include order

for i = 5, #ARGV do
  local one = ARGV[i]
  local value = call('HGET', unique, one)
  local until_ms = tonumber(call('ZSCORE', unique_expiring, one) or nil)
  local holder, held_until = match(value or '', '^(%S+) (%d+)$')
  held_until = tonumber(held_until)
  if value and not holder then
    write('HDEL', unique, one)
    write('ZREM', unique_expiring, one)
    tell(one, 'is held by what is no task', 'given back')
  elseif not value then
    if until_ms then
      write('ZREM', unique_expiring, one)
      tell(one, 'is to be given back, and nobody holds it', 'not expected any more')
    end
  elseif held_until == 0 then
    -- As unique.lua has it: whose envelope does not name the key will never give it back.
    local envelope = call('HGET', tasks, holder)
    local option = envelope and options_of(envelope)
    if not envelope or option.unique_key ~= one or option.unique_for then
      write('HDEL', unique, one)
      write('ZREM', unique_expiring, one)
      tell(one, 'is held by ' .. holder .. ', which ' .. (envelope and 'does not have it' or 'is no task'), 'given back')
    elseif until_ms then
      write('ZREM', unique_expiring, one)
      tell(one, 'is held by ' .. holder .. ' until that ends, and is to be given back before', 'held until that ends')
    end
  elseif not until_ms and held_until <= now then
    write('HDEL', unique, one)
    tell(one, 'is held by ' .. holder .. ', its time is over, and nothing gives it back', 'given back')
  elseif until_ms ~= held_until then
    write('ZADD', unique_expiring, held_until, one)
    tell(one, 'is held by ' .. holder .. ' for a time, and is not to be given back then', 'given back then')
  end
end
return answer(found)
