-- Marks of tickets that came from another queue: `imported`. Needs begin.lua and the name of the key.

-- Marks that wait to be confirmed stay for good, the others until the time of the last one. Returns whether any stay.
local function expire_marks()
  local last = call('ZRANGE', imported, -1, -1, 'WITHSCORES')[2]
  if not last or tonumber(last) <= now then return false end
  if last == 'inf' then
    call('PERSIST', imported)
  else
    call('PEXPIRE', imported, fmt('%.0f', math.min(last - now, 2 ^ 52)))
  end
  return true
end
