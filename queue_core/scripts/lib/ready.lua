-- The two ready places: a list for priority 0, a sorted set for the others. Needs envelope.lua, and the
-- names `ready`, `removed` and `prioritized` of the script's keys.
local EPOCH_MS, ID_MS = 1577836800000, 62 ^ 13 / 2 ^ 80
local DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

local function decode_base62(text, first, last)
  local number, bytes = 0, {byte(text, first, last)}
  for i = 1, #bytes do
    local b = bytes[i]
    number = number * 62 + (b < 58 and b - 48 or b < 91 and b - 55 or b - 61)
  end
  return number
end

-- The time in an id, to within 1 ms, or nil for one that a user chose. Good until the year 3100. Neighbours were often
-- made in the same millisecond.
local last_head, last_head_ms
local function id_ms(id)
  if #id ~= 22 or not find(id, '^%w+$') then return nil end
  local head = sub(id, 1, 9)
  if head ~= last_head then
    last_head, last_head_ms = head, floor(decode_base62(id, 1, 9) * ID_MS)
  end
  return last_head_ms
end

-- The 7 digits that an element carries for a ready time, or '' where the id's own time says the same.
local function own_time(id, ms)
  local own = id_ms(id)
  if own and ms - own <= 1000 and own - ms <= 1000 then return '' end
  local left, digits = ms - EPOCH_MS, {}
  if left < 0 then left = 0 end
  for i = 7, 1, -1 do
    local digit = left % 62
    digits[i] = sub(DIGITS, digit + 1, digit + 1)
    left = (left - digit) / 62
  end
  return table.concat(digits)
end

local function element_of(id, digits)
  if digits == '' or (#id == 22 and find(id, '^%w+$')) then return id .. digits end
  return ':' .. id .. digits
end

-- The id in an element and the 7 digits behind it ('' where the id's own time counts).
local function split_element(element)
  if byte(element) == 58 then return sub(element, 2, -8), sub(element, -7) end
  return sub(element, 1, 22), sub(element, 23)
end

-- Milliseconds since when a task with these digits has been ready.
local function ready_ms(id, digits)
  if #digits ~= 7 then return id_ms(id) or now end
  return decode_base62(digits, 1, 7) + EPOCH_MS
end

local function score_of(priority, ms)
  return fmt('%.0f', ms - EPOCH_MS - priority * PRIORITY_STEP)
end

local function priority_of_score(score)
  return -floor(score / PRIORITY_STEP)
end

-- Put a task where it is given out from. An element of the list that was struck out and is still there serves again:
-- no id stands in the list twice.
local function make_ready(id, priority, digits, at_head)
  if priority ~= 0 then
    call('ZADD', prioritized, score_of(priority, ready_ms(id, digits)), id)
  elseif call('SREM', removed, id) == 0 then
    call(at_head and 'LPUSH' or 'RPUSH', ready, element_of(id, digits))
  end
end

local function ready_count()
  return call('LLEN', ready) - call('SCARD', removed) + call('ZCARD', prioritized)
end
