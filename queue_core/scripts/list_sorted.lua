#!lua flags=no-writes,allow-oom
-- Reads one page of a sorted place: its first members, or those next to a position. A position is a score and a member;
-- it is found again in logarithmic time whatever came or went meanwhile, also when its own member did.
-- KEYS control HASH, then the place ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] `rising` or `falling`, by score and then by member
-- ARGV[4] `first`, or `after` or `before` the position   ARGV[5] the position's score   ARGV[6] the position's member
-- ARGV[7] limit, members   ARGV[8] what members begin with, up to a `:`, where all scores are 0; '': all members
-- Returns: now ms, number of members, how many come before the first of the page, then two for each: member, score.
-- include begin
local place = KEYS[NAMED + 1]
-- include known position
local wrong = check_types('zset', place)
if wrong then return wrong end

local is_falling, side, limit, prefix = ARGV[3] == 'falling', ARGV[4], tonumber(ARGV[7]), ARGV[8]
local first, total = 0, call('ZCARD', place)
if prefix ~= '' then
  first = call('ZLEXCOUNT', place, '-', '(' .. prefix)
  total = call('ZLEXCOUNT', place, '[' .. prefix, '(' .. sub(prefix, 1, -2) .. ';')
end

local start, stop = 0, math.min(limit, total)
if side ~= 'first' then
  local less, own = find_position(place, ARGV[5], ARGV[6])
  less = math.max(0, math.min(less - first, total))
  local before, after = less, less + own
  if is_falling then before, after = total - less - own, total - less end
  if side == 'after' then
    start, stop = after, math.min(after + limit, total)
  else
    start, stop = math.max(0, before - limit), before
  end
end
local reply = {fmt('%.0f', now), total, start}
if stop > start then
  local members
  if is_falling then
    local skip = call('ZCARD', place) - first - total
    members = call('ZREVRANGE', place, skip + start, skip + stop - 1, 'WITHSCORES')
  else
    members = call('ZRANGE', place, first + start, first + stop - 1, 'WITHSCORES')
  end
  for i = 1, #members do reply[3 + i] = members[i] end
end
return reply
