#!lua flags=allow-oom
-- Operations of a damaged queue are put in order: one that is there stands among those of the queue, as under way or as
-- ended, and one that is gone leaves no outcomes behind. For `fsck`: all of these at one moment.
-- KEYS control HASH, session STRING, operations ZSET, outcomes HASH, then the operation HASH of each
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] '1': write, '': only look   ARGV[5] how
-- long an ended one is kept, ms   then the ids
-- Returns three for each that is not in order: id, what is wrong, what was done or is to be done; '' where nothing can
-- be done.
-- include begin session known
if replayed then return replayed end
-- check keys
-- include order

for i = 6, #ARGV do
  local id, operation = ARGV[i], KEYS[NAMED + i - 5]
  local listed = tonumber(call('ZSCORE', operations, id) or nil)
  local kind = call('TYPE', operation).ok
  if kind == 'none' then
    -- The list keeps one that has ended until another begins.
    if not (listed and listed > 0 and listed <= now - ARGV[5]) then
      write('ZREM', operations, id)
      write('HDEL', outcomes, id .. ':completed', id .. ':failed', id .. ':ended', id .. ':recalled')
      local was = listed and (listed > 0 and 'is listed as ended' or 'is listed as under way') or 'has outcomes'
      tell(id, was .. ' and is gone', 'forgotten')
    end
  elseif kind ~= 'hash' then
    tell(id, 'is a ' .. kind .. ' and should be a hash', '')
  else
    local facts = call('HMGET', operation, 'state', 'began', 'ended', 'aside', 'confirm')
    local is_on_its_way = (facts[4] or '') .. (facts[5] or '') ~= '' -- a move that brings what it has put aside
    local is_over = (facts[1] == 'ended' or facts[1] == 'cancelled') and not is_on_its_way
    local at = tonumber(facts[is_over and 3 or 2]) or now
    if not listed or (listed > 0) ~= is_over then
      write('ZADD', operations, is_over and at or -at, id)
      tell(id, 'is ' .. (facts[1] or 'of no state') .. ' and is ' .. (listed and 'listed otherwise' or 'not listed'),
        'listed')
    end
  end
end
return answer(found)
