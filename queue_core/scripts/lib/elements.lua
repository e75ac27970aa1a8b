-- When a task became ready: by its id, by the digits behind it in the list, or by its score.
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
