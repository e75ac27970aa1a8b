-- How every script begins: names for what all of them use, the clock (read once), the format check.
-- ARGV[1] is the format, ARGV[2] the time in ms, or '' for the server's own. A call makes each of its functions anew, so
-- what is seldom needed stands in a block of its own, with its include.
-- name keys
local call, fmt, floor = redis.call, string.format, math.floor
local sub, find, byte, match = string.sub, string.find, string.byte, string.match
local unpack = unpack or table.unpack

local now_us
if ARGV[2] == '' then
  local time = call('TIME')
  now_us = time[1] * 1000000 + time[2]
else
  now_us = ARGV[2] * 1000
end
local now = floor(now_us / 1000)

-- Of `control` those fields that the script names, as `known.format`.
local known = call('HMGET', control, '<fields>')
local is_new = not known.format
if known.format and known.format ~= ARGV[1] then
  return redis.error_reply('FORMAT ' .. known.format)
end

-- Writing begins: the format version is there from the first write, and what somebody has read of the queue holds no
-- longer. In a queue that is made anew the number is none that another of its name has had.
local function begin_writing()
  if is_new then
    call('HSET', control, 'format', ARGV[1], 'changes', fmt('%.0f', now_us))
  elseif type(redis.pcall('HINCRBY', control, 'changes', 1)) == 'table' then -- it is no number
    call('HSET', control, 'changes', fmt('%.0f', now_us))
  end
end

-- Fails before any write when one of the keys (type, key, type, key …) is of another type.
local function check_types(...)
  local pairs_ = {...}
  for i = 1, #pairs_, 2 do
    local is = call('TYPE', pairs_[i + 1]).ok
    if is ~= 'none' and is ~= pairs_[i] then
      return redis.error_reply('WRONGKEY ' .. pairs_[i + 1] .. ' is a ' .. is .. ' and should be a ' .. pairs_[i])
    end
  end
end
