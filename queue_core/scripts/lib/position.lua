-- Where in a sorted set a page or a chunk goes on: at a score and a member, found again in logarithmic time whatever
-- came or went meanwhile, also when that member did.

-- By bytes, as the server sorts members: the language's own order depends on the server's locale.
local function is_less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- How many members of `place` are less than the position, and 1 where the position's own is there.
local function find_position(place, score, member)
  local low = call('ZCOUNT', place, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', place, score, score)
  local above = high
  while low < high do
    local middle = floor((low + high) / 2)
    if is_less(call('ZRANGE', place, middle, middle)[1], member) then low = middle + 1 else high = middle end
  end
  return low, low < above and call('ZRANGE', place, low, low)[1] == member and 1 or 0
end
